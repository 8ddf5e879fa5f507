"""Archives, lists and ESI with odd answers: what is good in them is stored, what is not costs only itself."""

import bz2
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone, InvalidHash, Throttled
from killreport_assets.http.pauses import lift_pauses, longest_pause, pauses
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.ingest.market import MarketHistoryLoader
from killreport_assets.models.ids import EntityKind
from killreport_assets.models.killmail import KillmailBody, check
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import QUICK, Platform
from killreport_assets_testing.scripted import Answer, ScriptedService, archive, scripted_service

DAY = date(2026, 8, 4)
RECORDS = genuine.records()[:6]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """Any service."""
    with scripted_service() as scripted:
        yield scripted


def _scalar(engine: Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).scalar()


def _members() -> list[bytes]:
    return [
        json.dumps(line["esi"] | {"killmail_hash": line["killmail_hash"], "http_last_modified": ""}).encode()
        for line in RECORDS
    ]


def _publish_day(service: ScriptedService, content: bytes, totals: dict[str, int] | None = None) -> None:
    service.answers["/killmails/totals.json"] = Answer(totals or {f"{DAY}": len(RECORDS)})
    service.answers[f"/killmails/{DAY:%Y}/killmails-{DAY}.tar.bz2"] = Answer(content, headers={"ETag": '"1"'})


@pytest.mark.parametrize("streams", [1, 2, 7])
def test_an_archive_of_several_bzip2_streams_is_read_whole(
    settings: Settings, engine: Engine, service: ScriptedService, streams: int
) -> None:
    _publish_day(service, archive(_members(), streams=streams))
    report = HistoryLoader(EveRef(settings.with_values(everef_url=service.url))).load(engine)
    assert (report.problems, report.facts["stored"]) == ([], len(RECORDS))


def test_a_member_that_is_too_large_is_rejected_alone(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    _publish_day(service, archive([_members()[0], b" " * (3 * 2**20), *_members()[1:]]))
    small = settings.with_values(everef_url=service.url, killmail_max_mib=2)
    report = HistoryLoader(EveRef(small)).load(engine)
    assert (report.problems, report.facts["stored"], report.facts["rejected"]) == ([], len(RECORDS), 1)
    assert _scalar(engine, "select body from ops.rejected_killmails") == "killmails/1.json: a member of 3,145,728 bytes"


def test_an_archive_that_unpacks_to_too_much_stops(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    _publish_day(service, archive([*_members(), b" " * (5 * 2**20)]))
    small = settings.with_values(everef_url=service.url, download_max_mib=2)
    report = HistoryLoader(EveRef(small)).load(engine)
    assert "the archive exceeds 2 MiB" in str(report.stopped_by)


def test_a_market_file_that_unpacks_to_too_much_stops(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    service.answers["/market-history/totals.json"] = Answer({f"{DAY}": 1})
    path = f"/market-history/{DAY:%Y}/market-history-{DAY}.csv.bz2"
    service.answers[path] = Answer(bz2.compress(b"date,region_id,type_id,average\n" + b"\n" * (3 * 2**20)))
    files = MarketHistory(settings.with_values(everef_url=service.url, http_max_mib=2))
    report = MarketHistoryLoader(files, ()).load(engine)
    assert "unpacked, the file exceeds 2 MiB" in str(report.stopped_by)


def test_the_newest_days_are_those_that_there_are(settings: Settings, engine: Engine, service: ScriptedService) -> None:
    _publish_day(service, archive(_members()), {f"{DAY}": len(RECORDS), f"{DAY - timedelta(days=3)}": 1})
    older = DAY - timedelta(days=3)
    service.answers[f"/killmails/{older:%Y}/killmails-{older}.tar.bz2"] = Answer(archive([]), headers={"ETag": '"2"'})
    report = HistoryLoader(EveRef(settings.with_values(everef_url=service.url)), newest_days=2).load(engine)
    assert (report.problems, report.facts["days read"]) == ([], 2)


def test_many_broken_members_do_not_take_minutes(settings: Settings, engine: Engine, service: ScriptedService) -> None:
    _publish_day(service, archive([*_members(), *(b"{broken %d" % number for number in range(20_000))]))
    report = HistoryLoader(EveRef(settings.with_values(everef_url=service.url))).load(engine)
    assert (report.facts["stored"], report.facts["rejected"]) == (len(RECORDS), 20_000)
    assert _scalar(engine, "select count(*) from ops.rejected_killmails") == 20_000


def test_a_list_that_repeats_itself_ends(settings: Settings, engine: Engine, service: ScriptedService) -> None:
    page = [line["esi"] | {"zkb": {"hash": line["killmail_hash"]}} for line in RECORDS]
    for number in range(1, 101):
        service.answers[f"/api/characterID/1/page/{number}/"] = Answer(page)
    zkillboard = Zkillboard(settings.with_values(zkillboard_url=service.url), engine)
    assert len(list(zkillboard.character_pages(1))) == 1
    assert sum(service.requests.values()) == 2


@pytest.mark.parametrize("status", [404, 410])
def test_what_no_longer_exists_is_gone(
    settings: Settings, engine: Engine, service: ScriptedService, status: int
) -> None:
    client = EsiClient(settings.with_values(esi_url=service.url), engine)
    service.answers["/characters/5"] = Answer({"error": "Character has been deleted!"}, status)
    with pytest.raises(Gone, match="has been deleted"):
        client.fetch(routes.CHARACTER, models.Character, 5)
    service.answers[f"/killmails/7/{'a' * 40}"] = Answer({}, status)
    with pytest.raises(InvalidHash):
        client.killmail(7, "a" * 40)


ABSURD = ["9999999999", "inf", "nan", "-5", "0", "soon", "1e400", "", "Fri, 31 Dec 9999 23:59:59 GMT"]


@pytest.mark.parametrize("header", ABSURD)
@pytest.mark.parametrize("status", [420, 429])
def test_an_absurd_pause_is_the_default_one(
    settings: Settings, engine: Engine, service: ScriptedService, status: int, header: str
) -> None:
    name = "X-ESI-Error-Limit-Reset" if status == 420 else "Retry-After"
    service.answers["/characters/5"] = Answer({}, status, {name: header, "X-Ratelimit-Remaining": "\u00b2\u00b2"[:0]})
    with pytest.raises(Throttled) as throttled:
        EsiClient(settings.with_values(esi_url=service.url), engine).fetch(routes.CHARACTER, models.Character, 5)
    assert timedelta(seconds=40) < throttled.value.until - datetime.now(UTC) < timedelta(seconds=80)
    with engine.begin() as connection:
        [pause] = pauses(connection)
        assert lift_pauses(connection, [pause.service]) == [pause.service]
        assert longest_pause(connection, [pause.service]) is None


@pytest.mark.parametrize("header", ["max-age=99999999999999999999", "max-age=-1", "max-age=x"])
def test_an_absurd_freshness_costs_nothing(
    settings: Settings, engine: Engine, service: ScriptedService, header: str
) -> None:
    headers = {"Cache-Control": header, "Expires": "Fri, 31 Dec 9999 23:59:59 GMT", "Date": "nonsense"}
    service.answers["/markets/prices"] = Answer([{"type_id": 34, "average_price": 5.0}], headers=headers)
    prices, fresh = EsiClient(settings.with_values(esi_url=service.url), engine).market_prices()
    assert len(prices) == 1
    assert timedelta() <= fresh <= timedelta(days=7)


CHARACTER = {
    "name": "x",
    "birthday": "2009-05-06T00:00:00Z",
    "gender": "male",
    "race_id": 1,
    "bloodline_id": 2,
    "corporation_id": 98_000_001,
    "achievement_score": 7,
}


@pytest.mark.parametrize("odd", ["half \\ud83d of a pair", "NUL \\u0000 inside", "both \\udc00\\u0000"])
def test_odd_text_in_names_is_stored_and_stops_nothing(platform: Platform, service: ScriptedService, odd: str) -> None:
    for id_, name in ((95_000_001, odd), (95_000_002, "Plain Pilot")):
        body = json.dumps(CHARACTER | {"name": "NAME"}).replace("NAME", name)
        service.answers[f"/characters/{id_}"] = Answer(body)
    client = EsiClient(platform.settings.with_values(esi_url=service.url), platform.engine)
    publish_ids(platform.broker, CHARACTERS, [95_000_001, 95_000_002])
    report = run_worker(EntityHandler(EntityKind.CHARACTER, client, 7), platform.broker, platform.engine, QUICK)
    assert report.outcomes == {"stored": 2}
    stored = _scalar(platform.engine, "select name from raw.characters where character_id = 95000001")
    assert "\x00" not in stored
    assert stored.encode().decode() == stored


def test_odd_text_in_one_name_does_not_cost_the_whole_look_up(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    service.answers["/universe/names"] = Answer(
        '[{"id": 5, "name": "half \\ud83d", "category": "character"}, {"id": 6, "name": "Six", "category": "alliance"}]'
    )
    client = EsiClient(settings.with_values(esi_url=service.url), engine)
    assert [name.id for name in client.names([5, 6])] == [5, 6]


def test_a_known_id_with_another_time_is_rejected_whatever_its_hash(engine: Engine) -> None:
    line = genuine.record(435341)
    write_killmails(engine, [KillmailBody(line["esi"], line["killmail_hash"])], "r2z2")
    forged = line["esi"] | {"killmail_time": "2020-01-01T00:00:00Z"}
    fitting = check(KillmailBody(forged)).killmail_hash
    for candidate in (KillmailBody(forged, fitting), KillmailBody(forged)):
        report = write_killmails(engine, [candidate], "everef")
        assert report.stored == []
        assert "this id is stored with" in report.rejected[0][1]
    assert _scalar(engine, "select count(*) from raw.killmails") == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_number_that_is_none_is_rejected_and_the_whole_requested(engine: Engine, number: str) -> None:
    line = genuine.record(435341)
    text = json.dumps(line["esi"])
    spoilt = json.loads(text.replace('"security_status": ', f'"security_status": {number}, "was": ', 1))
    report = write_killmails(engine, [KillmailBody(spoilt, line["killmail_hash"])], "r2z2")
    assert len(report.rejected) == 1
    assert (
        _scalar(engine, "select hash from ops.entity_pending where entity_kind = 'killmail'") == line["killmail_hash"]
    )

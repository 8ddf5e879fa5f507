"""The ESI client and the sources over real HTTP to the sandbox."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone, InvalidHash, Refused, Throttled, Unavailable
from killreport_assets.http.pauses import longest_pause
from killreport_assets.http.session import HttpSession, user_agent
from killreport_assets.ingest import static_data
from killreport_assets.ingest.feed import follow
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.ingest.static_gaps import fill_static_gaps
from killreport_assets.models.killmail import KillmailBody, check
from killreport_assets.sandbox.services.sde import SDE_BUILD
from killreport_assets.sandbox.world import BODIES_CHARACTER, FIRST_SEQUENCE, IDS_CHARACTER, World
from killreport_assets.settings import Settings, load_settings
from killreport_assets.sources import sde
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2 import FeedEntry, R2z2Feed
from killreport_assets.sources.zkb_block import zkillboard_values
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.cursors import read_cursor
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.stored_killmails import write_zkillboard_values
from killreport_assets_testing import genuine
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

WORLD = World()


@pytest.fixture
def client(settings: Settings, engine: Engine) -> EsiClient:
    """A client of the sandbox's ESI."""
    return EsiClient(settings, engine)


def _scalar(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        value: int = connection.execute(sa.text(query)).scalar_one()
    return value


def test_a_killmail_by_id_and_hash(client: EsiClient, sandbox: Sandbox) -> None:
    line = genuine.record(435341)
    assert client.killmail(435341, line["killmail_hash"]) == line["esi"]
    with pytest.raises(InvalidHash, match="422"):
        client.killmail(435341, "0" * 40)
    assert sandbox.statistics()["violations"] == {}


def test_what_is_unchanged_is_not_read_again(client: EsiClient, sandbox: Sandbox) -> None:
    first = client.fetch(routes.CHARACTER, models.Character, BODIES_CHARACTER)
    assert first.body is not None
    assert first.body.name == f"Sandbox Pilot {BODIES_CHARACTER}"
    again = client.fetch(routes.CHARACTER, models.Character, BODIES_CHARACTER, first.etag)
    assert (again.body, again.etag) == (None, first.etag)
    assert sandbox.statistics()["answers"] == {"esi 200": 1, "esi 304": 1}


def test_a_record_that_is_not_there_is_gone(client: EsiClient) -> None:
    with pytest.raises(Gone, match="404"):
        client.fetch(routes.CHARACTER, models.Character, 12345)


@pytest.mark.parametrize("kind", ["500", "502", "503", "truncated"])
def test_a_broken_answer_is_unavailable(client: EsiClient, sandbox: Sandbox, kind: str) -> None:
    sandbox.faults({"path": "/esi/alliances", "kinds": [kind]})
    with pytest.raises(Unavailable):
        client.fetch(routes.ALLIANCE, models.Alliance, min(WORLD.alliances))


@pytest.mark.parametrize("kind", ["hang", "timeout"])
def test_a_hanging_server_is_unavailable(settings: Settings, engine: Engine, sandbox: Sandbox, kind: str) -> None:
    sandbox.faults({"path": "/esi/alliances", "kinds": [kind]}, timeout_seconds=600)
    client = EsiClient(settings.with_values(http_timeout=2.0), engine)
    with pytest.raises(Unavailable, match="no answer in 2 s"):
        client.fetch(routes.ALLIANCE, models.Alliance, min(WORLD.alliances))


def test_a_420_pauses_every_client(client: EsiClient, sandbox: Sandbox, settings: Settings, engine: Engine) -> None:
    sandbox.faults({"path": "/esi", "kinds": ["420"], "times": 1})
    with pytest.raises(Throttled):
        client.fetch(routes.ALLIANCE, models.Alliance, min(WORLD.alliances))
    other = EsiClient(settings, engine)
    with pytest.raises(Throttled, match="error limit"):
        other.killmail(435341, genuine.record(435341)["killmail_hash"])
    assert sandbox.statistics()["requests"]["esi"] == 1
    with engine.connect() as connection:
        wait_until(lambda: longest_pause(connection, ["esi"]) is None)
    assert other.fetch(routes.ALLIANCE, models.Alliance, min(WORLD.alliances)).body


def test_a_429_pauses_its_bucket_only(client: EsiClient, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/esi/killmails", "kinds": ["429"], "times": 1})
    line = genuine.record(435341)
    for _ in range(2):
        with pytest.raises(Throttled, match="killmail"):
            client.killmail(435341, line["killmail_hash"])
    assert sandbox.statistics()["requests"]["esi"] == 1
    assert client.fetch(routes.ALLIANCE, models.Alliance, min(WORLD.alliances)).body


def test_errors_end_before_the_limit_is_reached(client: EsiClient, sandbox: Sandbox) -> None:
    asked = 0
    with pytest.raises(Throttled, match="error limit is nearly reached"):
        for id_ in range(1, 200):
            with pytest.raises(Gone):
                asked += 1
                client.fetch(routes.CHARACTER, models.Character, id_)
    assert sandbox.statistics()["answers"].get("esi 404", 0) <= 81
    assert sandbox.statistics()["violations"] == {}


def test_no_real_service_is_asked_without_a_contact() -> None:
    settings = load_settings()
    with pytest.raises(UserError, match="set KILLREPORT_CONTACT"):
        HttpSession(settings).request("GET", "https://esi.evetech.net/status")


def test_the_user_agent_names_us_and_our_contact() -> None:
    assert "KillReport/" in user_agent(load_settings(contact="me@example.com"))
    assert "me@example.com" in user_agent(load_settings(contact="me@example.com"))


def test_the_feed_is_followed_to_its_end_and_on(settings: Settings, engine: Engine, sandbox: Sandbox) -> None:
    feed = R2z2Feed(settings, engine)
    report = follow(feed, engine, start=FIRST_SEQUENCE)
    assert report.caught_up
    assert len(report.written.stored) >= len(WORLD.part("r2z2"))
    again = follow(feed, engine)
    assert (again.caught_up, again.written.stored) == (True, [])
    head = sandbox.release(3)
    more = follow(feed, engine)
    assert len(more.written.stored) == 3
    assert more.next_sequence == head + 1
    assert _scalar(engine, "select count(*) from raw.zkillboard_values where labels @> '{made-by-sandbox}'") >= 3


def test_without_a_cursor_the_feed_starts_at_its_head(settings: Settings, engine: Engine) -> None:
    report = follow(R2z2Feed(settings, engine), engine)
    assert report.caught_up
    assert len(report.written.stored) <= 1


def test_an_error_of_the_whole_feed_stops_it_where_it_is(settings: Settings, engine: Engine, sandbox: Sandbox) -> None:
    feed = R2z2Feed(settings, engine)
    first = follow(feed, engine, start=FIRST_SEQUENCE, max_entries=7)
    assert len(first.written.stored) == 7
    sandbox.faults({"path": "/r2z2/ephemeral/9", "kinds": ["503"]})
    report = follow(feed, engine)
    assert report.stopped_by is not None
    assert "503" in report.stopped_by
    with engine.connect() as connection:
        assert read_cursor(connection, "r2z2") == FIRST_SEQUENCE + 7
    sandbox.reset()
    assert follow(feed, engine).caught_up


def test_entries_that_have_expired_are_noted_as_a_gap(settings: Settings, engine: Engine) -> None:
    report = follow(R2z2Feed(settings, engine), engine, start=FIRST_SEQUENCE - 300, max_entries=10)
    assert len(report.written.stored) == 10
    with engine.connect() as connection:
        gaps = connection.execute(sa.text("select first_sequence, last_sequence from ops.feed_gaps order by 1")).all()
    assert [tuple(gap) for gap in gaps] == [
        (FIRST_SEQUENCE - 300, FIRST_SEQUENCE - 250),
        (FIRST_SEQUENCE - 249, FIRST_SEQUENCE - 1),
    ]
    assert _scalar(engine, "select count(*) from ops.feed_gaps where next_sequence is not null") == 0


def test_a_list_with_bodies_and_a_list_with_ids(settings: Settings, engine: Engine) -> None:
    zkillboard = Zkillboard(settings, engine)
    [whole] = zkillboard.character_pages(BODIES_CHARACTER)
    assert {check(body).killmail_id for body in whole.bodies} == {k.id for k in WORLD.part("zkillboard")}
    assert len(whole.values) == len(whole.bodies)
    [ids] = zkillboard.character_pages(IDS_CHARACTER)
    assert set(ids.hashes) == {k.id for k in WORLD.part("zkillboard_ids")}


def test_only_so_many_pages_are_read(settings: Settings, engine: Engine, sandbox: Sandbox) -> None:
    one_page = settings.with_values(zkillboard_max_pages=1)
    assert len(list(Zkillboard(one_page, engine).character_pages(BODIES_CHARACTER))) == 1
    assert sandbox.statistics()["requests"]["zkillboard"] == 1


def test_an_error_with_status_200_is_an_error(settings: Settings, engine: Engine) -> None:
    with pytest.raises(Refused, match="page must be between"):
        Zkillboard(settings, engine)._page("characterID/1", 101)


def test_the_days_of_the_archive_are_read_once(settings: Settings, engine: Engine) -> None:
    everef = EveRef(settings)
    totals = everef.totals()
    assert sum(totals.values()) == len(WORLD.part("everef"))
    days = sorted(totals)[:5]
    report = HistoryLoader(everef, days).load(engine)
    assert (report.facts["stored"], report.facts["days read"]) == (sum(totals[day] for day in days), 5)
    assert HistoryLoader(everef, days).load(engine).facts["days read"] == 0
    with engine.begin() as connection:  # the archive was rewritten
        connection.execute(sa.text(f"update ops.history_days set etag = 'old' where killmail_date = '{days[0]}'"))
    report = HistoryLoader(everef, days).load(engine)
    assert (report.facts["days read"], report.facts["stored"]) == (1, 0)


def test_an_archive_that_breaks_off_is_read_again(settings: Settings, engine: Engine, sandbox: Sandbox) -> None:
    everef = EveRef(settings)
    day = max(everef.totals(), key=lambda day: everef.totals()[day])
    sandbox.faults({"path": "/everef/killmails/2", "kinds": ["truncated"], "times": 2})
    assert "breaks off" in str(HistoryLoader(everef, [day]).load(engine).stopped_by)
    report = HistoryLoader(everef, [day]).load(engine)
    assert (report.problems, report.facts["stored"]) == ([], everef.totals()[day])
    assert HistoryLoader(everef, [day]).load(engine).facts["days read"] == 0


def test_a_day_without_an_archive_is_gone(settings: Settings) -> None:
    with pytest.raises(Gone):
        EveRef(settings).look(date(2001, 1, 1))


def test_the_static_data_is_loaded_once(settings: Settings, engine: Engine) -> None:
    static = sde.StaticData(settings)
    counts = static_data.load_export(static, engine, static.latest_build())
    assert counts["types"] == len(WORLD.static["types"]) - 50
    assert counts["systems"] == len(WORLD.static["systems"])
    assert static_data.load_export(static, engine, static.latest_build()) == {}
    known = WORLD.by_id("types")
    with engine.connect() as connection:
        for row in connection.execute(sa.text("select type_id, name, rig_size, meta_level from raw.types")):
            wanted = known[row.type_id]
            assert (row.name, row.rig_size, row.meta_level) == (
                wanted["name"],
                wanted["rig_size"],
                wanted["meta_level"],
            )


def test_a_broken_export_changes_nothing(settings: Settings, engine: Engine, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/sde/tranquility/eve", "kinds": ["truncated"]})
    with pytest.raises(Unavailable, match="export"):
        static_data.load_export(sde.StaticData(settings), engine, str(SDE_BUILD))
    assert _scalar(engine, "select count(*) from raw.types") == 0


def test_without_an_export_systems_and_groups_come_from_esi(
    settings: Settings, engine: Engine, client: EsiClient
) -> None:
    write_killmails(engine, genuine.bodies(10), "everef")
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into raw.types (type_id, group_id, source, fetched_at) values (644, 27, 'esi', :now)"),
            {"now": datetime.now(UTC)},
        )
    filled = fill_static_gaps(client, engine)
    assert filled["groups"] == 1
    assert filled["categories"] == 1
    assert filled["systems"] == _scalar(engine, "select count(distinct solar_system_id) from raw.killmails")
    assert _scalar(engine, "select count(*) from raw.systems where region_id is null") == 0
    assert fill_static_gaps(client, engine) == {}


def test_the_sandbox_wants_what_esi_wants(settings: Settings, sandbox: Sandbox) -> None:
    assert requests.get(f"{settings.services.esi_url}/alliances", timeout=5).status_code == 400
    pages = requests.get(
        f"{settings.services.esi_url}/universe/types",
        timeout=5,
        headers={"X-Compatibility-Date": "2026-08-18", "User-Agent": "KillReport/0 (test)"},
    )
    assert pages.headers["X-Pages"] == "3"
    assert len(pages.json()) == 1_000
    assert sandbox.statistics()["violations"] == {"compatibility date": 1}


def test_a_redirect_to_a_real_service_is_not_followed() -> None:
    with _redirecting_to("https://esi.evetech.net/status") as url, pytest.raises(Refused, match="another host"):
        HttpSession(load_settings()).request("GET", url)


def test_an_endless_redirect_is_unavailable() -> None:
    with _redirecting_to("/again") as url, pytest.raises(Unavailable, match="more than 3 redirects"):
        HttpSession(load_settings()).request("GET", url)


@contextmanager
def _redirecting_to(target: str) -> Iterator[str]:
    class Redirects(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", target)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Redirects) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _FeedOfEntries:
    """A feed that publishes between our two looks, and has a hole."""

    def __init__(self, entries: set[int], published_later: set[int]) -> None:
        self._entries, self._later = entries, published_later
        self._looks = 0

    def head(self) -> int:
        self._looks += 1
        if self._looks > 1:  # the first is before anything is read
            self._entries |= self._later
        return max(self._entries)

    def entry(self, sequence: int) -> FeedEntry | None:
        return FeedEntry(KillmailBody({"killmail_id": sequence}), None) if sequence in self._entries else None

    def later_entry(self, missing: int, _head: int) -> int:
        return min(entry for entry in self._entries if entry > missing)


@pytest.mark.parametrize(
    ("entries", "later", "gaps", "following"),
    [({8, 9}, {10, 11}, [], 12), ({8, 10}, set(), [(9, 9)], 11), ({8}, set(), [], 9), ({8, 9}, {10}, [], 11)],
    ids=["published between two looks", "a hole", "caught up", "one published between two looks"],
)
def test_the_cursor_passes_nothing_that_there_is(
    engine: Engine, entries: set[int], later: set[int], gaps: list[tuple[int, int]], following: int
) -> None:
    report = follow(_FeedOfEntries(set(entries), later), engine, start=8)  # type: ignore[arg-type]
    found = [(gap.first_sequence, gap.last_sequence) for gap in report.gaps]
    assert (found, report.next_sequence, report.caught_up) == (gaps, following, True)
    assert len(report.written.rejected) == report.entries == following - 8 - sum(b - a + 1 for a, b in gaps)


def test_an_odd_entry_costs_only_itself(engine: Engine) -> None:
    line = genuine.record(435341)
    spoilt = [
        KillmailBody(line["esi"] | {"killmail_time": "0001-01-01T00:00:00+14:00"}, line["killmail_hash"]),
        KillmailBody(line["esi"] | {"killmail_time": "9999-12-31T23:59:59Z"}, line["killmail_hash"]),
        KillmailBody(line["esi"] | {"killmail_time": 5}, line["killmail_hash"]),
        KillmailBody(line["esi"], "\ud800" * 40),
        KillmailBody(line["esi"], "\x00" * 40),
        KillmailBody({"killmail_id": 1, "a": "\ud800\x00"}),
    ]
    report = write_killmails(engine, [*spoilt, KillmailBody(line["esi"], line["killmail_hash"])], "r2z2")
    assert (report.stored, len(report.rejected)) == ([435341], 6)
    odd = {"points": 2**40, "locationID": 1e30, "labels": ["a\x00", "good", "\ud800"], "hash": "\x00"}
    with engine.begin() as connection:
        write_zkillboard_values(connection, [zkillboard_values(435341, odd, datetime.now(UTC))])
    assert _scalar(engine, "select count(*) from raw.zkillboard_values where labels = '{good}' and points is null") == 1

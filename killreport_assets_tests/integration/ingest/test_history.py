"""Days of history from odd archives and over broken connections: each is whole, once, and known as such."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.ingest.archives import CHUNK
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.ingest.history_repairs import BODIES_FROM, HistoryRepairs
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2_history import R2z2History
from killreport_assets.store.history import HistoryDay, IncompleteDays, history_days, history_years, incomplete_days
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.archives import DAY, made_bodies, members_of
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.scripted import Answer, ScriptedService, archive, scripted_service
from killreport_assets_testing.waiting import wait_until

WORLD = World()
ROWS = (
    "select count(*), (select count(*) from raw.killmail_attackers), (select count(*) from raw.killmail_items) "
    "from raw.killmails"
)


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """EVE Ref, with the archives that a test puts there."""
    with scripted_service() as scripted:
        yield scripted


def _everef(settings: Settings, service: ScriptedService, **values: object) -> EveRef:
    return EveRef(settings.with_values(everef_url=service.url, **values))


def _put(service: ScriptedService, days: dict[date, bytes], totals: dict[date, int]) -> None:
    service.answers["/killmails/totals.json"] = Answer({f"{day}": count for day, count in totals.items()})
    for day, content in days.items():
        path = f"/killmails/{day:%Y}/killmails-{day}.tar.bz2"
        service.answers[path] = Answer(content, headers={"ETag": f'"{hash(content)}"'})


def _known(engine: Engine, day: date = DAY) -> HistoryDay:
    with engine.connect() as connection:
        return history_days(connection, day, day)[day]


def _incomplete(engine: Engine) -> IncompleteDays:
    with engine.connect() as connection:
        return incomplete_days(connection)


def _scalar(engine: Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).scalar()


def _load(everef: EveRef, engine: Engine, *days: date) -> LoadReport:
    return HistoryLoader(everef, days or [DAY]).load(engine)


def test_a_truncated_archive_gives_what_is_good_and_leaves_its_day_incomplete(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    members = members_of(made_bodies(60))
    whole = archive(members, streams=6)
    _put(service, {DAY: whole[: len(whole) * 3 // 4]}, {DAY: 60})
    everef = _everef(settings, service)
    report = _load(everef, engine)
    assert "breaks off" in str(report.stopped_by)
    known = _known(engine)
    assert 20 < known.stored < 60
    assert (known.state, "breaks off" in str(known.reason)) == ("incomplete", True)
    assert _incomplete(engine) == IncompleteDays(1, 60 - known.stored, 1, DAY, known.reason)
    assert _load(everef, engine).facts["days read"] == 0  # the same file would give no more
    _put(service, {DAY: whole}, {DAY: 60})
    assert _load(everef, engine).problems == []
    known = _known(engine)
    assert (known.state, known.stored, known.reason) == ("loaded", 60, None)
    assert _incomplete(engine) == IncompleteDays()
    assert known.late == known.stored - int(report.facts["stored"])


def test_a_corrupt_member_costs_itself_and_is_counted(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    members = members_of(made_bodies(30))
    _put(service, {DAY: archive([*members[:10], b"{broken", b"\x00\xff", *members[10:]])}, {DAY: 32})
    report = _load(_everef(settings, service), engine)
    assert (report.problems, report.facts["stored"], report.facts["rejected"]) == ([], 30, 2)
    known = _known(engine)
    assert (known.state, known.stored, known.rejected) == ("loaded", 30, 2)
    assert _incomplete(engine).days == 0  # what cannot be stored lacks no more
    assert _scalar(engine, "select count(*) from ops.rejected_killmails") == 2


def test_a_killmail_is_stored_once_wherever_it_comes_from(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    bodies = made_bodies(40)
    before, after = DAY - timedelta(days=1), DAY + timedelta(days=1)
    write_killmails(engine, bodies[:5], "r2z2")  # by the feed
    members = members_of(bodies)
    archives = {before: archive(members[10:20]), DAY: archive([*members, *members[30:]]), after: archive(members[35:])}
    _put(service, archives, {before: 10, DAY: 40, after: 5})
    report = _load(_everef(settings, service), engine, before, DAY, after)
    assert (report.facts["stored"], _scalar(engine, "select count(*) from raw.killmails")) == (35, 40)
    assert _scalar(engine, "select count(*) from raw.killmails where source = 'r2z2'") == 5
    assert _known(engine).state == "loaded"
    assert _known(engine, before).stored == 0  # its archive has another day's
    assert _known(engine, before).state == "incomplete"


def test_a_day_that_has_grown_is_loaded_again_and_the_late_ones_are_counted(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    members = members_of(made_bodies(20))
    everef = _everef(settings, service)
    _put(service, {DAY: archive(members[:15])}, {DAY: 15})
    _load(everef, engine)
    assert (_known(engine).state, _known(engine).late) == ("loaded", 0)
    quick = HistoryLoader(everef, [DAY], look_at_all=False)
    heads = service.requests.total()
    assert quick.load(engine).facts["days read"] == 0
    assert service.requests.total() == heads + 1  # the totals alone
    _put(service, {DAY: archive(members)}, {DAY: 20})
    assert quick.load(engine).facts["stored"] == 5
    assert (_known(engine).stored, _known(engine).late) == (20, 5)
    grown = HistoryLoader(everef, newest_days=1, with_grown=True).load(engine)
    assert grown.facts["days read"] == 0


def test_a_download_goes_on_where_it_broke_off(settings: Settings, engine: Engine, sandbox: Any) -> None:
    everef = EveRef(settings)
    day = max(everef.totals(), key=lambda day: everef.totals()[day])
    remote = everef.look(day)
    whole = everef.fetch(remote).read_bytes()
    [kept] = (settings.home / "archives").iterdir()
    part = kept.with_name(kept.name + ".part")
    kept.unlink()
    part.write_bytes(whole[: len(whole) // 3])
    before = sandbox.statistics()["answers"].get("everef 206", 0)
    assert everef.fetch(remote).read_bytes() == whole
    assert sandbox.statistics()["answers"]["everef 206"] == before + 1
    assert not part.exists()
    part.write_bytes(whole + b"too much")  # not this file
    kept.unlink()
    everef.fetch(remote)
    assert kept.read_bytes() == whole


def test_a_service_without_versions_is_read_each_time(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    service.answers["/killmails/totals.json"] = Answer({f"{DAY}": 9})
    packed = archive(members_of(made_bodies(9)))
    service.answers[f"/killmails/{DAY:%Y}/killmails-{DAY}.tar.bz2"] = Answer(packed)
    everef = _everef(settings, service)
    assert _load(everef, engine).facts["stored"] == 9
    again = _load(everef, engine)
    assert (again.problems, again.facts["days read"], again.facts["already there"]) == ([], 1, 9)


def test_archives_are_kept_within_their_limit(settings: Settings, engine: Engine, service: ScriptedService) -> None:
    days = [DAY + timedelta(days=number) for number in range(4)]
    noise = {day: archive([os.urandom(300_000)]) for day in days}
    _put(service, noise, dict.fromkeys(days, 0))
    _load(_everef(settings, service, archive_cache_mib=1), engine, *days)
    kept = list((settings.home / "archives").iterdir())
    assert 1 <= len(kept) <= 3
    assert sum(path.stat().st_size for path in kept) <= 2**20


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_what_a_stopped_load_has_begun_is_whole_after_the_next(
    settings: Settings, engine: Engine, databases: Databases, service: ScriptedService, ending: signal.Signals
) -> None:
    members = members_of(made_bodies(2 * CHUNK))
    after = DAY + timedelta(days=1)
    _put(service, {DAY: archive(members), after: archive([])}, {DAY: len(members), after: 0})
    environment = os.environ | {"KILLREPORT_EVEREF_URL": service.url}
    command = [sys.executable, "-m", "killreport_assets.cli", "history", "load", "--from", f"{DAY}", "--to", f"{after}"]
    loading = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    writes = "select count(*) from pg_stat_progress_copy where datname = current_database()"
    wait_until(lambda: _scalar(engine, writes) > 0 or loading.poll() is not None)
    loading.send_signal(ending)
    said, _ = loading.communicate()
    if ending != signal.SIGKILL and loading.returncode:  # it may have been ready a moment before
        assert (loading.returncode, "The same command goes on" in said) == (128 + ending, True)
    writers = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    wait_until(lambda: _scalar(engine, f"{writers} and state = 'active'") == 0)
    assert _load(_everef(settings, service), engine).problems == []
    assert (_known(engine).state, _known(engine).stored) == ("loaded", len(members))
    with databases.fresh() as reference, engine.connect() as loaded, reference.connect() as expected:
        write_killmails(reference, made_bodies(2 * CHUNK), "everef")
        assert loaded.execute(sa.text(ROWS)).one() == expected.execute(sa.text(ROWS)).one()


def test_what_a_list_names_comes_from_it_or_from_esi(platform: Platform) -> None:
    engine = platform.engine
    days: dict[date, list[int]] = {}
    for killmail in WORLD.killmails.values():
        if killmail.zkb is not None:
            days.setdefault(killmail.day, []).append(killmail.id)
    large = max(days, key=lambda day: len(days[day]) if day.year >= 2020 else 0)
    small = next(day for day in days if 1 < len(days[day]) < BODIES_FROM)
    for day in (large, small):  # as if the feed had brought one of each day
        [first] = [body for body in genuine.bodies() if body.killmail_id == days[day][0]]
        write_killmails(engine, [first], "r2z2")
    lists = R2z2History(platform.settings, engine)
    report = HistoryRepairs(lists, [large, small]).load(engine)
    named = len(days[large]) + len(days[small]) - 2
    assert report.facts["named by zKillboard alone"] == named
    from_list = len(days[large]) - 1 if len(days[large]) > BODIES_FROM else 0
    assert report.facts["stored"] == from_list
    assert report.facts["requested from ESI"] == named - from_list
    pending = "select count(*) from ops.entity_pending where entity_kind = 'killmail'"
    assert _scalar(engine, pending) == named - from_list
    assert _scalar(engine, f"{pending} and urgent") == 0
    assert _scalar(engine, "select count(*) from ops.missing_killmails") == named - from_list
    publish_pending(platform.engine, platform.broker)
    platform.killmails()
    report = HistoryRepairs(lists, [large, small]).load(engine)
    assert (report.facts["days with missing"], _scalar(engine, "select count(*) from ops.missing_killmails")) == (0, 0)
    assert (_known(engine, small).stored, _known(engine, small).zkillboard_total) == (len(days[small]),) * 2


def test_what_esi_refuses_is_missing_for_good_with_its_reason(platform: Platform, service: ScriptedService) -> None:
    body = genuine.bodies()[0]
    day = date.fromisoformat(str(body.body["killmail_time"])[:10])
    write_killmails(platform.engine, [body], "r2z2")
    listed = {str(body.killmail_id): body.hash, "99999999999": "a" * 40, "not an id": "b" * 40, "7": "no hash"}
    with platform.engine.begin() as connection:  # as after a build
        connection.execute(sa.text("delete from ops.changed_days"))
    service.answers["/history/totals.json"] = Answer({f"{day:%Y%m%d}": 2, "nonsense": 1})
    service.answers[f"/history/{day:%Y%m%d}.json"] = Answer(listed)
    lists = R2z2History(platform.settings.with_values(r2z2_url=service.url), platform.engine)
    assert HistoryRepairs(lists).load(platform.engine).facts["requested from ESI"] == 1
    publish_pending(platform.engine, platform.broker)
    dead = "select count(*) from ops.dead_letters"
    wait_until(lambda: bool(platform.killmails() and _scalar(platform.engine, dead) == 1))
    report = HistoryRepairs(lists).load(platform.engine)
    assert (report.facts["missing for good"], report.facts["requested from ESI"]) == (1, 0)
    assert _scalar(platform.engine, "select reason from ops.missing_killmails") is not None
    with platform.engine.connect() as connection:
        [year] = history_years(connection)
    assert (year.stored, year.zkillboard, year.missing_for_good) == (1, 2, 1)


def test_the_commands_load_and_show(platform: Platform, command: Command) -> None:
    totals = EveRef(platform.settings).totals()
    days = sorted(totals)[-40:]
    loaded = command("history", "load", "--from", f"{days[0]}", "--to", f"{days[-1]}", "--oldest-first")
    assert (loaded.code, f"stored: {sum(totals[day] for day in days):,}" in loaded.stdout) == (0, True), loaded
    again = command("history", "load", "--from", f"{days[0]}", "--to", f"{days[-1]}")
    assert (again.code, "all days are here already" in again.stdout, "stored: 0" in again.stdout) == (0, True, True)
    shown = command("history", "status", "--csv").stdout.splitlines()
    assert shown[0].startswith("year,days,loaded,incomplete,everef,zkillboard,stored,share")
    assert sum(int(line.split(",")[2]) for line in shown[1:]) == len(days)
    assert "share" in command("history", "status").stdout
    for wrong in (("--from", "2020-01-02", "--to", "2020-01-01"), ("--to", "2999-01-01"), ("--from", "yesterday")):
        assert command("history", "load", *wrong).code == 2
    assert command("history", "repair").code == 0


def test_a_market_history_is_loaded_by_the_same_command(platform: Platform, command: Command) -> None:
    first = min(date.fromisoformat(row["date"]) for row in WORLD.market_history)
    answer = command("history", "load", "--market", "--from", f"{first}", "--to", f"{first + timedelta(days=3)}")
    assert (answer.code, "days read: 0" in answer.stdout) == (0, False), answer
    assert _scalar(platform.engine, "select count(*) from raw.market_history") > 0

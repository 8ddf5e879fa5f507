"""Wars and builds of the static data, partitions of their own kinds, on a real Dagster instance and the sandbox."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.ingest.wars import WarArchiveLoader, WarRefresh
from killreport_assets.orchestration.build import build_defs
from killreport_assets.sandbox.services.sde import SDE_BUILD
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings
from killreport_assets.sources.war_archives import WarArchives
from killreport_assets.store.wars import write_wars
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.scripted import Answer, ScriptedService, archive, scripted_service

WARS, SYSTEMS = dg.AssetKey(["raw", "wars"]), dg.AssetKey(["raw", "systems"])
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
KILLMAILS = {k.id: k for k in World().killmails.values() if "war_id" in k.body}
WAR_IDS = sorted({killmail.body["war_id"] for killmail in KILLMAILS.values()})
NEWEST = "2026-01-22"
"""The archive of the newest war, which goes on: a day's. The other wars are in archives of a year."""
SIDE = {"corporation_id": 98_000_001, "isk_destroyed": 12.345, "ships_killed": 1}
WAR = {
    "id": 5,
    "declared": "2005-01-01T00:00:00Z",
    "mutual": False,
    "open_for_allies": True,
    "aggressor": SIDE,
    "defender": {"alliance_id": 99_000_001, "isk_destroyed": 0, "ships_killed": 0},
}


def _run(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    *,
    check: bool = True,
    config: Any = None,
    **options: Any,
) -> dg.ExecuteInProcessResult:
    resolved = build_defs(settings).resolve_job_def(job)
    return resolved.execute_in_process(
        run_config=QUIET | (config or {}), instance=instance, raise_on_error=check, **options
    )


def _rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """EVE Ref, with the archives that a test puts there."""
    with scripted_service() as scripted:
        yield scripted


def test_without_partitions_archives_and_esi_are_read(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    config = {"ops": {"wars": {"config": {"newest_archives": 0}}}}
    _run(settings, instance, "load_wars", config=config)
    assert [war_id for (war_id,) in _rows(engine, "select war_id from raw.wars order by 1")] == WAR_IDS
    years = {str(killmail.day.year) for killmail in KILLMAILS.values() if killmail.day.year <= 2020}
    assert instance.get_materialized_partitions(WARS) == {NEWEST, *years}
    assert set(instance.get_dynamic_partitions("war_archives")) == {NEWEST, *years}
    [(finished,)] = _rows(engine, f"select finished from raw.wars where war_id = {WAR_IDS[-1]}")
    assert finished is None
    assert _rows(engine, "select count(*) from raw.war_allies where entity_kind = 'alliance'") > [(0,)]
    killmails = [killmail for killmail in KILLMAILS.values() if killmail.body["war_id"] == WAR_IDS[0]]
    sides = _rows(
        engine,
        "select coalesce(defender_alliance_id, defender_corporation_id), cast(aggressor_isk_destroyed as text), "
        f"aggressor_ships_killed from raw.wars where war_id = {WAR_IDS[0]}",
    )
    victim = killmails[0].body["victim"]
    assert sides == [(victim.get("alliance_id", victim["corporation_id"]), "1000000.25", len(killmails))]

    asked = sandbox.statistics()["bodies"]
    again = _run(settings, instance, "load_wars", config=config)
    [event, *_] = [e for e in again.get_asset_materialization_events() if e.asset_key == WARS]
    facts = {name: entry.value for name, entry in event.step_materialization_data.materialization.metadata.items()}
    assert (facts["archives read"], facts["wars fetched"]) == (0, 0)
    read_again = {path: n for path, n in sandbox.statistics()["bodies"].items() if n != asked.get(path)}
    assert {path for path in read_again if path.startswith("/esi/wars/")} == set()


def test_a_partition_is_an_archive(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    instance.add_dynamic_partitions("war_archives", [NEWEST, "1999"])
    _run(settings, instance, "load_wars", partition_key=NEWEST)
    assert _rows(engine, "select war_id, source from raw.wars") == [(WAR_IDS[-1], "everef")]
    assert not _run(settings, instance, "load_wars", partition_key="1999", check=False).success


def test_killmails_that_an_archive_names_are_requested_if_that_is_wanted(platform: Platform) -> None:
    with closing(WarArchives(platform.settings)) as archives:
        loader = WarArchiveLoader(archives, archives.available(), newest=0, request_killmails=True)
        report = loader.load(platform.engine)
    assert report.facts["killmails requested"] == report.facts["killmails named"] == len(KILLMAILS)
    pending = _rows(platform.engine, "select entity_id, hash from ops.entity_pending where entity_kind = 'killmail'")
    assert dict(pending) == {killmail.id: killmail.hash for killmail in KILLMAILS.values()}


def test_what_was_observed_later_stays_and_odd_members_cost_nothing_else(
    settings: Settings, engine: Engine, service: ScriptedService
) -> None:
    members: list[Any] = [
        WAR | {"finished": "2005-02-01T00:00:00Z"},
        WAR | {"id": 6, "allies": [{"alliance_id": 99_000_002}, {"corporation_id": 98_000_003}, {}]},
        {"war_id": 7, "declared": "yesterday"},
        {"war_id": 6, "killmail_id": "nine", "killmail_hash": "x"},
        [],
    ]
    content = archive([*(json.dumps(member).encode() for member in members), b"no json"])
    service.answers["/wars/history/index.json"] = Answer({"files": [{"name": "wars-2005.tar.bz2"}, {}, None]})
    service.answers["/wars/history/wars-2005.tar.bz2"] = Answer(content, headers={"ETag": '"1"'})
    later = WAR | {"finished": "2005-03-01T00:00:00Z", "source": "esi", "observed_at": datetime(2006, 1, 1, tzinfo=UTC)}
    row = {name: value for name, value in later.items() if name not in {"id", "aggressor", "defender"}}
    with engine.begin() as connection:
        write_wars(connection, [row | {"war_id": 5}], {})
    with closing(WarArchives(settings.with_values(everef_url=service.url))) as archives:
        report = WarArchiveLoader(archives, archives.available()).load(engine)
    assert (report.problems, report.facts["wars"], report.facts["malformed"]) == ([], 2, 4)
    stored = _rows(engine, "select war_id, source, date(finished), aggressor_isk_destroyed from raw.wars order by 1")
    assert [(war_id, source, str(day)) for war_id, source, day, _ in stored] == [
        (5, "esi", "2005-03-01"),
        (6, "everef", "None"),
    ]
    assert [str(isk) for *_, isk in stored] == ["None", "12.34"]
    allies = _rows(engine, "select war_id, entity_kind, entity_id from raw.war_allies order by 2, 3")
    assert allies == [(6, "alliance", 99_000_002), (6, "corporation", 98_000_003)]


def test_wars_that_go_on_are_fetched_again_and_others_are_not(platform: Platform) -> None:
    WarRefresh(platform.esi).load(platform.engine)
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("update raw.wars set observed_at = :then, mutual = true"),
            {"then": datetime.now(UTC) - timedelta(days=1)},
        )
    report = WarRefresh(platform.esi).load(platform.engine)
    assert report.facts == {"wars listed": len(WAR_IDS), "wars fetched": 1}
    unchanged = _rows(platform.engine, "select war_id from raw.wars where mutual order by 1")
    assert [war_id for (war_id,) in unchanged] == WAR_IDS[:-1]


def test_a_refresh_ends_at_its_limit_and_a_war_that_fails_costs_no_other(platform: Platform, sandbox: Sandbox) -> None:
    assert WarRefresh(platform.esi, limit=2).load(platform.engine).facts["wars fetched"] == 2
    sandbox.faults({"path": f"/esi/wars/{WAR_IDS[0]}", "kinds": ["500"]})
    report = WarRefresh(platform.esi).load(platform.engine)
    assert (report.facts["wars fetched"], len(report.problems)) == (len(WAR_IDS) - 3, 1)


def test_the_command_loads_the_archives_of_a_span(platform: Platform, command: Command) -> None:
    loaded = command("history", "load", "--wars", "--from", "2012-03-01", "--to", "2014-12-31")
    assert (loaded.code, "archives asked for: 2" in loaded.stdout, "wars: 2" in loaded.stdout) == (0, True, True)
    both = command("history", "load", "--wars", "--market")
    assert (both.code, "one after the other" in both.stderr) == (2, True)


def test_a_partition_of_the_static_data_is_a_build(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    build = str(SDE_BUILD)
    _run(settings, instance, "load_static_data")
    assert instance.get_dynamic_partitions("static_data_builds") == [build]
    assert instance.get_materialized_partitions(SYSTEMS) == {build}
    with engine.begin() as connection:
        connection.execute(sa.text("update raw.systems set name = 'another build''s'"))
    _run(settings, instance, "load_static_data")
    assert len(_rows(engine, "select distinct name from raw.systems")) == 1  # the newest build is loaded already
    _run(settings, instance, "load_static_data", partition_key=build)
    assert len(_rows(engine, "select distinct name from raw.systems")) > 1
    instance.add_dynamic_partitions("static_data_builds", ["7"])
    assert not _run(settings, instance, "load_static_data", partition_key="7", check=False).success
    assert _rows(engine, "select version from ops.source_versions where source = 'sde'") == [(build,)]

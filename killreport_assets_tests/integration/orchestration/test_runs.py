"""Jobs, sensors and checks on a real Dagster instance, against the sandbox."""

import json
import re
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.build import build_defs
from killreport_assets.orchestration.jobs import drain_job_name
from killreport_assets.orchestration.sensors.backlog import MESSAGES_PER_RUN, build_backlog_sensors, runs_to_start
from killreport_assets.orchestration.sensors.feed import build_feed_sensor
from killreport_assets.queues.catalogue import CHARACTERS, MAX_WORKER_RUNS, WORK_QUEUES
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.sandbox.world import BODIES_CHARACTER, FIRST_SEQUENCE, World
from killreport_assets.settings import Settings
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.store.cursors import move_cursor
from killreport_assets.store.feed_repairs import record_failure
from killreport_assets.workers.publisher import publish_ids
from killreport_assets_testing import genuine
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()
QUICK = {"idle_seconds": 0.3}


def _run(
    settings: Settings, instance: dg.DagsterInstance, job: str, config: dict[str, Any] | None = None, check: bool = True
) -> dg.ExecuteInProcessResult:
    defs = build_defs(settings)
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    return defs.resolve_job_def(job).execute_in_process(
        run_config=(config or {}) | quiet, instance=instance, raise_on_error=check
    )


def _ingest(source: dict[str, Any]) -> dict[str, Any]:
    return {"ops": {"killmails": {"config": {"source": source}}}}


def _metadata(result: dg.ExecuteInProcessResult, table: str) -> dict[str, Any]:
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey(["raw", table]):
            metadata = event.step_materialization_data.materialization.metadata
            return {name: entry.value for name, entry in metadata.items()}
    raise AssertionError(f"raw/{table} was not materialized")


def _scalar(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        value: int = connection.execute(sa.text(query)).scalar_one()
    return value


def test_killmails_from_the_feed(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    result = _run(settings, instance, "ingest_killmails", _ingest({"r2z2": {"from_sequence": FIRST_SEQUENCE}}))
    metadata = _metadata(result, "killmails")
    assert metadata["stored"] >= len(WORLD.part("r2z2"))
    assert metadata["dagster/row_count"] == _scalar(engine, "select count(*) from raw.killmails")
    assert metadata["preview"].startswith(r"| killmail\_id | killmail\_time |")
    assert not re.search(r"\| \d+\.0 \|", metadata["preview"])  # ids beside nulls stay whole numbers
    assert metadata["published"] > 0


def test_killmails_without_any_configuration_follow_the_feed(settings: Settings, instance: dg.DagsterInstance) -> None:
    assert _metadata(_run(settings, instance, "ingest_killmails"), "killmails")["source"] == "r2z2"


def test_killmails_from_archives(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    day = WORLD.part("everef")[0].day
    of_day = sum(killmail.day == day for killmail in WORLD.part("everef"))
    result = _run(settings, instance, "ingest_killmails", _ingest({"everef": {"days": [f"{day}"]}}))
    assert _metadata(result, "killmails")["stored"] == of_day
    assert _scalar(engine, "select count(*) from raw.killmails where source = 'everef'") == of_day


def test_a_day_without_an_archive_turns_the_run_red(settings: Settings, instance: dg.DagsterInstance) -> None:
    result = _run(settings, instance, "ingest_killmails", _ingest({"everef": {"days": ["2001-01-01"]}}), check=False)
    assert not result.success


def test_killmails_of_a_character(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    source = {"zkillboard": {"character_ids": [BODIES_CHARACTER]}}
    _run(settings, instance, "ingest_killmails", _ingest(source))
    assert _scalar(engine, "select count(*) from raw.killmails where source = 'zkillboard'") == len(
        WORLD.part("zkillboard")
    )


def test_killmails_by_id_and_hash(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    line = genuine.record(435341)
    one = {"killmail_id": 435341, "killmail_hash": line["killmail_hash"]}
    result = _run(settings, instance, "ingest_killmails", _ingest({"esi": {"killmails": [one]}}))
    assert _metadata(result, "killmails")["stored"] == 1
    assert _scalar(engine, "select count(*) from raw.killmails where source = 'esi'") == 1


def test_an_unknown_source_is_refused_with_the_ones_there_are(settings: Settings, instance: dg.DagsterInstance) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError, match="r2z2"):
        _run(settings, instance, "ingest_killmails", _ingest({"redisq": {}}))


@pytest.mark.parametrize(
    ("kind", "table", "ids"),
    [
        ("alliance", "alliances", sorted(WORLD.alliances)[:3]),
        ("corporation", "corporations", sorted(WORLD.alliance_of)[:3]),
        ("character", "characters", [BODIES_CHARACTER]),
        ("type", "types", sorted(WORLD.newest_types)[:3]),
    ],
)
def test_materializing_an_entity_table_fills_it(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, kind: str, table: str, ids: list[int]
) -> None:
    name = f"esi_{kind}_info_queue"
    config = {"ops": {f"consume_{name}": {"config": QUICK | {"ids": ids}}}}
    result = _run(settings, instance, f"drain_{name}", config)
    metadata = _metadata(result, table)
    assert metadata["stored"] == len(ids)
    assert metadata["dagster/row_count"] == len(ids)
    assert "sample" in metadata
    assert _scalar(engine, f"select count(*) from raw.{table} where name is not null") == len(ids)


def test_static_data_settles_the_types_that_were_pending(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    _run(settings, instance, "ingest_killmails", _ingest({"r2z2": {"from_sequence": FIRST_SEQUENCE}}))
    before = _scalar(engine, "select count(*) from ops.entity_pending where entity_kind = 'type'")
    result = _run(settings, instance, "load_static_data")
    after = _scalar(engine, "select count(*) from ops.entity_pending where entity_kind = 'type'")
    assert _metadata(result, "systems")["pending types settled"] == before - after
    assert after < before
    assert _metadata(result, "types")["dagster/row_count"] > 2_000
    assert _metadata(result, "inventory_flags")["dagster/row_count"] == 78


def test_a_worker_in_which_everything_fails_is_red(
    settings: Settings, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    sandbox.faults({"path": "/esi/characters", "kinds": ["503"]})
    op = {"consume_esi_character_info_queue": {"config": QUICK | {"ids": [BODIES_CHARACTER]}}}
    result = _run(settings, instance, "drain_esi_character_info_queue", {"ops": op}, check=False)
    assert not result.success


def test_checks_find_what_is_wrong(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    def outcomes() -> dict[str, bool]:
        result = _run(settings, instance, "check_raw_tables")
        return {e.check_name: e.passed for e in result.get_asset_check_evaluations()}

    assert set(outcomes().values()) == {True}
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
            insert into ops.dead_letters (fingerprint, queue, body, reason, error, attempts, first_failed_at)
            values ('x', 'esi_killmail_queue', '{}', 'refused', '422', 1, now())
            """)
        )
        connection.execute(
            sa.text("""
            insert into ops.rejected_killmails (fingerprint, source, reason, body) values ('x', 'r2z2', 'no', '{}')
            """)
        )
        record_failure(connection, "r2z2", 700_001, "broken JSON", b"<html>")
        connection.execute(sa.text("update ops.feed_failures set first_failed_at = now() - interval '1 hour'"))
    assert outcomes() == {
        "every_feed_entry_is_readable": False,
        "every_killmail_has_one_final_blow": True,
        "no_killmail_has_two_times": True,
        "no_killmail_was_rejected": False,
        "no_message_is_dead": False,
    }


def test_a_service_that_asks_to_wait_makes_no_run_red(
    settings: Settings, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    sandbox.faults({"path": "/r2z2", "kinds": ["429"]}, {"path": "/esi/markets", "kinds": ["429"]})
    assert "R2Z2 answers 429" in str(_metadata(_run(settings, instance, "ingest_killmails"), "killmails")["waits"])
    prices = _run(settings, instance, "load_market_prices")
    assert "ESI throttles" in str(_metadata(prices, "market_prices")["waits"])


def test_a_schedule_adds_no_run_to_one_that_waits(settings: Settings, stored_instance: dg.DagsterInstance) -> None:
    definitions = build_defs(settings)
    for job_name in ("load_static_data", "queue_characters"):
        schedule = definitions.resolve_schedule_def(f"{job_name}_schedule")
        context = dg.build_schedule_context(stored_instance)
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1
        waiting = stored_instance.create_run_for_job(definitions.resolve_job_def(job_name))
        assert "waits or runs already" in str(schedule.evaluate_tick(context).skip_message)
        stored_instance.report_run_canceled(waiting)
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1


def test_who_waits_is_not_behind_the_backlog(settings: Settings) -> None:
    definitions = build_defs(settings)
    for queue in WORK_QUEUES:
        tags = definitions.resolve_job_def(drain_job_name(queue)).tags
        assert (tags.get("dagster/priority"), tags.get("killreport/backlog")) == (
            ("20", None) if queue.is_for_users else (None, "true")
        )
    assert definitions.resolve_job_def("queue_users").tags["dagster/priority"] == "20"


@pytest.mark.parametrize(
    ("ready", "under_way", "expected"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (1, 1, 0),
        (MESSAGES_PER_RUN + 1, 0, 2),
        (MESSAGES_PER_RUN + 1, 1, 1),
        (10**6, 0, MAX_WORKER_RUNS),
        (10**6, MAX_WORKER_RUNS, 0),
        (0, 2, 0),
    ],
)
def test_runs_to_start(ready: int, under_way: int, expected: int) -> None:
    assert runs_to_start(ready, under_way) == expected


def _backlog(settings: Settings, instance: dg.DagsterInstance, broker: PgmqBroker, cursor: str | None) -> Any:
    sensor = next(s for s in build_backlog_sensors(settings) if s.name == f"{CHARACTERS.name}_backlog")
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"broker": broker, "database": broker._engine}
    )
    return sensor.evaluate_tick(context)


def test_the_backlog_sensor_starts_a_run_when_there_is_work(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    broker = PgmqBroker(engine)
    idle = _backlog(settings, instance, broker, None)
    assert idle.run_requests == []
    assert idle.skip_message == "0 messages, 0 runs under way"
    publish_ids(broker, CHARACTERS, [1, 2, 3])
    tick = _backlog(settings, instance, broker, idle.cursor)
    assert [request.run_key for request in tick.run_requests] == [None]
    assert tick.run_requests[0].tags["killreport/trigger"] == "backlog"
    instance.create_run_for_job(
        build_defs(settings).resolve_job_def("drain_esi_character_info_queue"),
        status=dg.DagsterRunStatus.STARTED,
        tags={"killreport/queue": CHARACTERS.name},
    )
    assert _backlog(settings, instance, broker, tick.cursor).run_requests == []


def test_the_backlog_sensor_observes_the_depth_when_it_changes(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    broker = PgmqBroker(engine)
    publish_ids(broker, CHARACTERS, [1, 2, 3])
    tick = _backlog(settings, instance, broker, None)
    [observation] = tick.asset_events
    assert observation.asset_key == dg.AssetKey(["queue", CHARACTERS.name])
    assert observation.metadata["ready"].value == 3
    assert _backlog(settings, instance, broker, tick.cursor).asset_events == []
    assert json.loads(tick.cursor)["ready"] == 3


def test_the_feed_sensor_starts_a_run_when_there_is_something_new(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    sensor = build_feed_sensor(settings)
    feed = R2z2Feed(settings, engine)

    def tick() -> Any:
        resources = {"database": engine, "r2z2": feed}
        return sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources))

    assert len(tick().run_requests) == 1
    with engine.begin() as connection:
        move_cursor(connection, "r2z2", feed.head() + 1)
    assert "caught up" in tick().skip_message
    sandbox.release(1)
    assert len(tick().run_requests) == 1
    sandbox.faults({"path": "/r2z2", "kinds": ["503"]})
    assert "cannot be read" in tick().skip_message

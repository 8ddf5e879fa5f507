"""The jobs around the queues on a real Dagster instance: producers, replay, traces, purge, checks, the sensor."""

from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.build import build_defs
from killreport_assets.orchestration.jobs import PRODUCING_JOBS
from killreport_assets.orchestration.sensors.backlog import build_backlog_sensors
from killreport_assets.orchestration.sensors.dead_letters import build_dead_letters_sensor
from killreport_assets.queues.catalogue import ALLIANCES, CHARACTERS, WORK_QUEUES
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.sandbox.world import BODIES_CHARACTER, World
from killreport_assets.settings import Settings, load_settings
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()
Instance = dg.DagsterInstance
KILLMAIL = 435341


def _run(
    settings: Settings,
    instance: dg.DagsterInstance,
    job: str,
    op: str = "",
    config: dict[str, Any] | None = None,
    *,
    check: bool = True,
) -> dg.ExecuteInProcessResult:
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    ops = {"ops": {op: {"config": config}}} if op else {}
    return (
        build_defs(settings)
        .resolve_job_def(job)
        .execute_in_process(run_config=ops | quiet, instance=instance, raise_on_error=check)
    )


def _observed(result: dg.ExecuteInProcessResult) -> tuple[list[str], dict[str, Any]]:
    """The key of the only observation, and its metadata."""
    [event] = result.get_asset_observation_events()
    observation = event.asset_observation_data.asset_observation
    values = {name: entry.value for name, entry in observation.metadata.items()}
    return list(observation.asset_key.path), values


def _output(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for event in result.all_events:
        if event.is_successful_output:
            found |= {name: entry.value for name, entry in event.step_output_data.metadata.items()}
    return found


@pytest.mark.parametrize("name", sorted(PRODUCING_JOBS))
def test_every_producer_is_a_job(settings: Settings, instance: dg.DagsterInstance, name: str) -> None:
    result = _run(settings, instance, f"queue_{name}")
    assert {"found", "requested", "published"} <= set(_output(result))
    tags = result.dagster_run.tags
    assert (tags["killreport/producer"], tags["killreport/trigger"]) == (name, "by hand")


def test_a_producing_job_takes_ids_and_urgency(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    config = {"ids": [BODIES_CHARACTER], "urgent": True}
    assert _output(_run(settings, instance, "queue_characters", "publish_characters", config))["published"] == 1
    with engine.connect() as connection:
        lane = connection.execute(sa.text(f"select count(*) from pgmq.q_{CHARACTERS.name}__urgent")).scalar()
    assert lane == 1


def test_alliances_lists_are_consumed_by_an_op(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("insert into raw.alliances (alliance_id, source) values (99000001, 'esi')"))
    _run(settings, instance, "queue_alliance_corporations")
    config = {"idle_seconds": 0.3}
    op = "consume_esi_alliance_corporations_queue"
    result = _run(settings, instance, "drain_esi_alliance_corporations_queue", op, config)
    assert _output(result)["stored"] == 1


def test_affiliations_are_looked_up_by_a_job(settings: Settings, engine: Engine, instance: Instance) -> None:
    with engine.begin() as connection:
        insert = f"insert into raw.characters (character_id, source) values ({BODIES_CHARACTER}, 'esi')"
        connection.execute(sa.text(insert))
    assert _output(_run(settings, instance, "refresh_affiliations"))["looked up"] == 1


def test_a_killmails_tree_is_an_observation(settings: Settings, platform: Platform, instance: Instance) -> None:
    write_killmails(platform.engine, genuine.bodies(1), "everef")
    publish_pending(platform.engine, platform.broker, run_id="publishing")
    platform.entities("character", LONG_IDLE)
    result = _run(settings, instance, "trace_killmail", "observe_killmail", {"killmail_id": KILLMAIL})
    key, metadata = _observed(result)
    assert key == ["raw", "killmails"]
    rows = [record.data for record in metadata["caused"].records]
    pilots = [row for row in rows if str(row["entity"]).startswith("character")]
    assert pilots
    assert {row["outcome"] for row in pilots} == {"stored"}
    assert {row["published by"] for row in pilots} == {"publishing"}
    assert {row["fetched by"] for row in pilots} == {"worker"}
    assert {row["killmail"] for row in rows} == {f"https://zkillboard.com/kill/{KILLMAIL}/"}
    assert "victim" in ",".join(str(row["roles"]) for row in rows)
    assert "/runs/worker" in metadata["runs"]
    assert not _run(settings, instance, "trace_killmail", "observe_killmail", {"killmail_id": 1}, check=False).success


def test_an_entitys_causes_are_an_observation(settings: Settings, platform: Platform, instance: Instance) -> None:
    write_killmails(platform.engine, genuine.bodies(60), "everef")
    causes = platform.scalar("select count(*) from ops.enrichments where entity_kind = 'type' and entity_id = 670")
    config = {"kind": "type", "id": 670}
    key, metadata = _observed(_run(settings, instance, "trace_entity", "observe_entity", config))
    assert key == ["raw", "types"]
    assert metadata["caused by"] == causes > 0
    assert len(metadata["causes"].records) == causes
    wrong = _run(settings, instance, "trace_entity", "observe_entity", {"kind": "ship", "id": 670}, check=False)
    assert not wrong.success


def test_the_replay_job_replays(settings: Settings, engine: Engine, instance: Instance) -> None:
    with engine.begin() as connection:
        for number, body in enumerate(('{"schema": 1, "kind": "alliance", "id": 99000001}', "broken")):
            connection.execute(
                sa.text(
                    "insert into ops.dead_letters (fingerprint, queue, body, reason, error, attempts, first_failed_at)"
                    " values (:number, 'esi_alliance_info_queue', :body, 'refused', '422', 1, now())"
                ),
                {"number": str(number), "body": body},
            )
    output = _output(_run(settings, instance, "replay_dead_letters"))
    assert (output["replayed"], output["refused"]) == (1, 1)
    assert PgmqBroker(engine).depth(ALLIANCES.name).ready == 1


def test_the_sensor_says_when_messages_have_died(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    sensor = build_dead_letters_sensor(settings)

    def tick(cursor: str | None) -> Any:
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"database": engine})
        return sensor.evaluate_tick(context)

    assert tick(None).asset_events == []
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.dead_letters (fingerprint, queue, body, reason, error, attempts, first_failed_at) "
                "values ('x', 'esi_killmail_queue', '{}', 'refused', '422', 1, now())"
            )
        )
    first = tick(None)
    assert first.skip_message == "1 dead letters: killreport dead-letters list"
    [observation] = first.asset_events
    assert observation.metadata["dead letters"].value == 1
    assert tick(first.cursor).asset_events == []  # said once


def test_a_paused_service_starts_no_workers(
    settings: Settings, platform: Platform, instance: dg.DagsterInstance
) -> None:
    platform.produce("alliances")
    platform.execute(
        "insert into ops.request_pace (service, next_at, paused_until, pause_reason) "
        "values ('esi', now(), now() + interval '1 minute', 'ESI''s error limit is reached') on conflict (service) "
        "do update set paused_until = excluded.paused_until, pause_reason = excluded.pause_reason"
    )
    sensor = next(s for s in build_backlog_sensors(settings) if s.name == f"{ALLIANCES.name}_backlog")
    resources = {"broker": platform.broker, "database": platform.engine}
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources))
    assert not tick.run_requests
    assert "error limit is reached; until" in str(tick.skip_message)


def test_each_queues_limit_of_runs_is_a_setting(
    settings: Settings, platform: Platform, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_DRAIN_RUNS", f"{CHARACTERS.name}=2")
    platform.produce("characters", ids=range(90_000_000, 90_009_000))
    sensor = next(s for s in build_backlog_sensors(load_settings()) if s.name == f"{CHARACTERS.name}_backlog")
    resources = {"broker": platform.broker, "database": platform.engine}
    tick = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, resources=resources))
    assert [run.tags["killreport/trigger"] for run in tick.run_requests or []] == ["backlog"] * 2


def test_every_queue_has_its_consuming_op(settings: Settings) -> None:
    defs = build_defs(settings)
    for queue in WORK_QUEUES:
        job = defs.resolve_job_def(f"drain_{queue.name}")
        assert [node.name for node in job.nodes] == [f"consume_{queue.name}"]
        assert job.tags["killreport/queue"] == queue.name


def test_the_weekly_checks_prove_that_nothing_was_forgotten(
    settings: Settings, platform: Platform, instance: dg.DagsterInstance
) -> None:
    def outcomes() -> dict[str, bool]:
        evaluations = _run(settings, instance, "check_lineage").get_asset_check_evaluations()
        return {evaluation.check_name: evaluation.passed for evaluation in evaluations}

    write_killmails(platform.engine, genuine.bodies(40), "everef")
    assert outcomes() == {
        "everything_mentioned_is_known_or_pending": True,
        "every_mention_was_known_or_has_a_cause": True,
    }
    platform.execute("delete from ops.entity_pending")
    platform.execute("delete from ops.enrichments where entity_kind = 'alliance'")
    assert outcomes() == {
        "everything_mentioned_is_known_or_pending": False,
        "every_mention_was_known_or_has_a_cause": False,
    }


def test_names_come_with_the_killmails(settings: Settings, engine: Engine, instance: Instance) -> None:
    day = WORLD.part("everef")[0].day
    config = {"source": {"everef": {"days": [f"{day}"]}}}
    _run(settings, instance, "ingest_killmails", "killmails", config)
    with engine.connect() as connection:
        unnamed = connection.execute(
            sa.text("""
            select count(*) from ops.entity_pending p left join raw.entity_names n using (entity_kind, entity_id)
            where n.name is null
            """)
        ).scalar()
    assert unnamed == 0


def test_an_outage_defers_and_is_not_red(settings: Settings, instance: dg.DagsterInstance, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/esi", "kinds": ["503"]})
    config = {"idle_seconds": 0.3, "ids": [BODIES_CHARACTER]}
    op = "consume_esi_character_info_queue"
    result = _run(settings, instance, "drain_esi_character_info_queue", op, config)
    [event] = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["deferred"].value == 1
    assert "UTC" in str(metadata["throttled until"].value)

"""What `status`, `/health` and `/metrics` say, on real servers; unknown is never 0, and no secret is printed."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import requests
import sqlalchemy as sa
import uvicorn
from dagster._daemon.types import DaemonHeartbeat
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import Engine

from killreport_assets.base.logs import LOGGER, configure_logging
from killreport_assets.base.network import free_port
from killreport_assets.base.redaction import without_secrets
from killreport_assets.monitoring.health import check_health
from killreport_assets.orchestration.event_log import purge_event_log, purge_runs
from killreport_assets.orchestration.instance import dagster_environment
from killreport_assets.queues.broker import WorkerLimits
from killreport_assets.queues.catalogue import ALLIANCES, CHARACTERS, CORPORATIONS, KILLMAILS
from killreport_assets.queues.connect import connect_broker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.settings import Settings, load_settings
from killreport_assets.store.cursors import move_cursor, note_head
from killreport_assets.store.killmails import write_killmails
from killreport_assets.web.server import metrics_app
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_ids, publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.rabbitmq import RabbitNode
from killreport_assets_testing.waiting import wait_until


@contextmanager
def _serving(settings: Settings) -> Iterator[str]:
    """The URL of the metrics server."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(metrics_app(settings), port=port, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def _scrape(settings: Settings) -> tuple[int, dict[tuple[str, ...], float]]:
    """The status of /health, and the samples of /metrics."""
    with _serving(settings) as url:
        return requests.get(f"{url}/health", timeout=20).status_code, _samples(
            requests.get(f"{url}/metrics", timeout=20).text
        )


def _samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name.removeprefix("killreport_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_is_shown_three_ways(platform: Platform, settings: Settings) -> None:
    write_killmails(platform.engine, genuine.bodies(20), "everef")
    publish_pending(platform.engine, platform.broker)
    resolve_names(platform.engine, platform.esi)
    platform.entities("alliance")
    platform.esi.close()
    with platform.engine.begin() as connection:
        move_cursor(connection, "r2z2", 900_011)
        note_head(connection, "r2z2", 900_020)
    health = check_health(settings)
    assert health.problems == []
    characters = next(kind for kind in health.coverage if kind.kind == "character")
    assert characters.named_only == characters.pending > 0
    alliances = next(kind for kind in health.coverage if kind.kind == "alliance")
    assert (alliances.pending, alliances.named_only) == (0, 0)
    depth = health.queues[CHARACTERS.name]
    assert depth is not None
    assert (depth.ready, depth.in_flight, depth.dead) == (characters.pending, 0, 0)
    assert depth.oldest_seconds is not None
    assert 0 <= depth.oldest_seconds < 60
    assert health.delayed == {5.0: 0, 30.0: 0, 120.0: 0, 600.0: 0}
    assert [(feed.feed, feed.entries_behind) for feed in health.feeds] == [("r2z2", 10)]
    assert health.requests_today["esi"][0] > 0
    body = json.loads(json.dumps(health.as_json()))
    assert (body["healthy"], body["contents"]["killmails"], body["killmails_last_hour"]) == (True, 20, 20)
    status, samples = _scrape(settings)
    assert status == 200
    assert samples["healthy",] == 1
    assert samples["killmails",] == 20
    assert samples["queue_ready", CHARACTERS.name] == characters.pending
    assert samples["entities", "character", "named_only"] == characters.named_only
    assert samples["feed_entries_behind", "r2z2"] == 10
    assert samples["budget_tokens_limit", "esi:killmail"] == 3600
    assert samples["queue_delayed", "600"] == 0


def test_dead_letters_are_unhealthy(platform: Platform, settings: Settings) -> None:
    platform.raw_message(CHARACTERS, '{"schema": 99}')
    platform.entities("character")
    health = check_health(settings)
    assert health.problems == ["1 dead letters: killreport dead-letters list"]
    status, samples = _scrape(settings)
    assert status == 503
    assert samples["queue_dead", CHARACTERS.name] == 1


def test_rabbitmq_reports_in_flight_only_with_its_management_api(
    settings: Settings, rabbit_node: RabbitNode, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_AMQP_URL", rabbit_node.url)
    settings = load_settings()
    broker = connect_broker(settings, engine)
    publish_ids(broker, CORPORATIONS, [1, 2, 3])
    health = check_health(settings)
    depth = health.queues[CORPORATIONS.name]
    assert depth is not None
    assert depth.in_flight is None
    assert depth.ready >= 3
    samples = _scrape(settings)[1]
    assert ("queue_in_flight", CORPORATIONS.name) not in samples  # unknown is not 0
    assert health.as_json()["queues"][CORPORATIONS.name]["in_flight"] is None
    with broker.consume(CORPORATIONS.name, WorkerLimits(idle_seconds=0.3)) as consumer:
        while not consumer.finished:
            consumer.acknowledge(consumer.receive(0.1))
    broker.close()


def test_rabbitmqs_management_api_reports_in_flight() -> None:
    node = RabbitNode(management=True)
    try:
        node.start()
        settings = load_settings(amqp_url=node.url, amqp_management_url=node.management_url)
        broker = connect_broker(settings, None)  # type: ignore[arg-type]
        publish_ids(broker, ALLIANCES, range(1, 21))
        with broker.consume(ALLIANCES.name, WorkerLimits(idle_seconds=30, batch_size=5)) as consumer:
            held = consumer.receive(2.0)
            wait_until(lambda: broker.depth(ALLIANCES.name).in_flight == 10)  # the API's numbers are some seconds old
            depth = broker.depth(ALLIANCES.name)
            assert depth.in_flight == 10
            assert depth.ready == 10
            consumer.acknowledge(held)
            consumer.stop()
        broker.close()
        silent = RabbitBroker(node.url)
        assert silent.depth(ALLIANCES.name).in_flight is None
        silent.close()
    finally:
        node.remove()


def test_a_broker_that_is_away_is_a_problem_and_its_depths_are_unknown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_AMQP_URL", f"amqp://me:hunter2@127.0.0.1:{free_port()}/")
    health = check_health(load_settings())
    assert health.queues[KILLMAILS.name] is None
    assert len(health.problems) == 1
    assert "RabbitMQ" in health.problems[0]
    assert "hunter2" not in json.dumps(health.as_json())
    samples = _scrape(load_settings())[1]
    assert not [name for name in samples if name[0] == "queue_ready"]


def test_an_unreachable_database_is_a_problem_without_its_password() -> None:
    url = f"postgresql://me:hunter2@127.0.0.1:{free_port()}/killreport"
    health = check_health(load_settings(database_url=url))
    assert not health.is_healthy
    assert "hunter2" not in json.dumps(health.as_json())
    assert _scrape(load_settings(database_url=url))[0] == 503


def test_log_lines_are_json_when_not_on_a_terminal_one_a_batch(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    logger = logging.getLogger(LOGGER)
    before, level, propagate = list(logger.handlers), logger.level, logger.propagate
    logger.handlers.clear()
    try:
        configure_logging("json", "INFO")
        publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, 12345])
        platform.entities("character")
        logger.warning("cannot reach %s", "postgresql://me:hunter2@db/killreport")
        lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    finally:
        logger.handlers[:] = before
        logger.setLevel(level)
        logger.propagate = propagate
    settled = [line for line in lines if line["message"] == "batch settled"]
    assert len(settled) == 1
    assert (settled[0]["queue"], settled[0]["run"]) == (CHARACTERS.name, "worker")
    assert settled[0].get("stored", 0) + settled[0].get("gone", 0) == 2
    assert {"time", "level", "logger"} <= set(settled[0])
    assert lines[-1]["message"] == "cannot reach postgresql://me:***@db/killreport"


def test_passwords_are_taken_out_of_urls() -> None:
    text = "amqp://a:b@h/v and postgresql://me:p@ss@db:5432/x, but http://127.0.0.1:8650/esi stays"
    expected = "amqp://a:***@h/v and postgresql://me:***@db:5432/x, but http://127.0.0.1:8650/esi stays"
    assert without_secrets(text) == expected
    assert without_secrets("postgresql://h/db?user=u&password=pw&x=1") == "postgresql://h/db?user=u&password=***&x=1"


def test_purging_keeps_materializations_and_what_is_young(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "create table event_logs "
                "(id bigserial, timestamp timestamp, dagster_event_type text, asset_key text, partition text)"
            )
        )
        old, young = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=20), datetime.now(UTC).replace(tzinfo=None)
        for at in (old, young):
            for event in (
                None,
                "ENGINE_EVENT",
                "STEP_OUTPUT",
                "ASSET_OBSERVATION",
                "ASSET_MATERIALIZATION",
                "ASSET_CHECK_EVALUATION",
                "PIPELINE_SUCCESS",
                "STEP_FAILURE",
            ):
                connection.execute(
                    sa.text("insert into event_logs (timestamp, dagster_event_type) values (:at, :event)"),
                    {"at": at, "event": event},
                )
    assert purge_event_log(engine, timedelta(days=14)) == 4
    with engine.connect() as connection:
        kept = connection.execute(
            sa.text("select dagster_event_type from event_logs where timestamp = :at order by 1"), {"at": old}
        ).scalars()
        assert list(kept) == ["ASSET_CHECK_EVALUATION", "ASSET_MATERIALIZATION", "PIPELINE_SUCCESS", "STEP_FAILURE"]
        assert connection.execute(sa.text("select count(*) from event_logs")).scalar() == 12


@pytest.fixture
def dagster_instance(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Settings, dg.DagsterInstance]]:
    """A real Dagster instance in the test's database, and the settings that name it."""
    monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    settings = load_settings()
    for name, value in dagster_environment(settings).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as instance:
        yield settings, instance


@dg.asset
def counted(context: dg.AssetExecutionContext) -> None:
    context.log_event(dg.AssetMaterialization("by_day", partition=str(context.run.tags["day"])))


@dg.asset_check(asset=counted)
def counted_well() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


def test_old_runs_go_with_all_that_dagster_stores_of_them(
    dagster_instance: tuple[Settings, dg.DagsterInstance], engine: Engine
) -> None:
    settings, instance = dagster_instance
    job = dg.Definitions(assets=[counted], asset_checks=[counted_well], jobs=[dg.define_asset_job("count")])
    runs = [
        job.resolve_job_def("count").execute_in_process(instance=instance, tags={"day": day}).run_id
        for day in ("2026-01-01", "2026-01-01", "2026-01-02", "2026-01-02")
    ]

    def stored(table: str) -> list[str]:
        with engine.connect() as connection:
            found = connection.execute(
                sa.text(f"select distinct run_id from {table} where run_id = any(:runs)"), {"runs": runs}
            )
            return sorted(found.scalars(), key=runs.index)

    def log_files() -> list[str]:
        return [run for run in runs if list((settings.home / "dagster").glob(f"storage/{run}/compute_logs/*"))]

    assert purge_runs(instance, engine, timedelta(days=1)) == 0
    tables = ("runs", "run_tags", "event_logs", "asset_check_executions")
    assert all(stored(table) == runs for table in tables)
    assert log_files() == runs
    with engine.begin() as connection:
        month = "- interval '31 days'"
        connection.execute(sa.text(f"update runs set end_time = extract(epoch from now() {month})"))
    assert purge_runs(instance, engine, timedelta(days=30)) == 3
    assert log_files() == stored("runs") == stored("run_tags") == stored("asset_check_executions") == runs[3:]
    assert stored("event_logs") == [runs[1], runs[3]]  # the latest materialization of the first day is kept
    key = dg.AssetKey("by_day")
    assert instance.get_materialized_partitions(key) == {"2026-01-01", "2026-01-02"}
    latest = instance.get_latest_materialization_event(dg.AssetKey("counted"))
    assert latest is not None
    assert latest.run_id == runs[3]
    with engine.connect() as connection:
        kept = connection.execute(sa.text("select count(*) from event_logs where run_id = :run"), {"run": runs[1]})
        assert kept.scalar() == 1
    assert purge_runs(instance, engine, timedelta(days=30)) == 0


def test_dagsters_own_health_is_read_from_its_database(
    dagster_instance: tuple[Settings, dg.DagsterInstance], engine: Engine
) -> None:
    settings, instance = dagster_instance
    assert check_health(settings).problems == []

    @dg.op
    def work(fails: bool) -> None:
        if fails:
            raise dg.Failure("on purpose")

    @dg.job
    def some_job() -> None:
        work()

    def config(*, fails: bool) -> dict[str, object]:
        return {"ops": {"work": {"inputs": {"fails": fails}}}}

    def run(*, fails: bool) -> None:
        some_job.execute_in_process(instance=instance, run_config=config(fails=fails), raise_on_error=False)

    run(fails=True)
    [problem] = check_health(settings).problems
    assert problem.startswith("job some_job: its latest run failed at")
    run(fails=False)
    health = check_health(settings)
    assert (health.problems, list(health.dagster.last_success if health.dagster else {})) == ([], ["some_job"])

    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - 90, "SENSOR", "one", []))
    [problem] = check_health(settings).problems
    assert problem.startswith("Dagster's daemon gave its last sign 9")
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "one", []))
    [problem] = check_health(settings).problems
    assert problem.startswith("Dagster knows no schedule and no sensor")  # as it is where no code location loads

    instance.create_run_for_job(some_job, run_config=config(fails=False), status=dg.DagsterRunStatus.NOT_STARTED)
    with engine.begin() as connection:
        connection.execute(
            sa.text("update runs set create_timestamp = create_timestamp - interval '1 h' where status = 'NOT_STARTED'")
        )
    [problem, _] = check_health(settings).problems
    assert problem.startswith("1 runs are queued, the oldest for 3,60")

    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update runs set status = 'STARTING', update_timestamp = (now() at time zone 'utc') - interval '1 h' "
                "where status = 'NOT_STARTED'"
            )
        )
    [problem, _] = check_health(settings.with_values(run_launcher="celery")).problems
    assert problem.startswith("1 runs are launched and do not start, the oldest for 3,60")
    assert problem.endswith("are enough of `killreport run-worker` up?")


def test_status_answers_quickly_with_a_hundred_thousand_messages(platform: Platform, settings: Settings) -> None:
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("""
            select pgmq.send_batch(:queue, array(select jsonb_build_object(
                'schema', 1, 'kind', 'character', 'id', 90000000 + i, 'hash', repeat('a', 40)) from
                generate_series(1, 100000) i))
            """),
            {"queue": CHARACTERS.name},
        )
        connection.execute(
            sa.text(
                "insert into ops.entity_pending (entity_kind, entity_id) "
                "select 'character', 90000000 + i from generate_series(1, 100000) i"
            )
        )
    clock = time.perf_counter()
    health = check_health(settings)
    first = time.perf_counter() - clock
    assert health.queues[CHARACTERS.name].ready == 100_000  # type: ignore[union-attr]
    # Beside a plain count of the same rows, so that a busy machine makes no difference.
    clock = time.perf_counter()
    with platform.engine.connect() as connection:
        for _ in range(5):
            connection.execute(sa.text(f"select count(*), min(enqueued_at) from pgmq.q_{CHARACTERS.name}")).one()
    counted = (time.perf_counter() - clock) / 5
    assert first < 1.0 + 30 * counted

"""Runs on Celery: what it needs is said, its URLs are only in the environment, and its results do not pile up.

Runs on several machines are tested in deployment/test_run_workers.py.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.launcher import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG as TASK
from kombu.exceptions import OperationalError

from killreport_assets.base.errors import UserError
from killreport_assets.database.engine import make_engine
from killreport_assets.orchestration.celery_runs import RunsOnCelery, run_worker_app
from killreport_assets.orchestration.event_log import purge_celery_results
from killreport_assets.orchestration.instance import BROKER_URL, RESULTS_URL, dagster_environment
from killreport_assets.settings import Settings, load_settings
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import Databases


def test_without_rabbitmq_there_is_no_queue_for_runs(settings: Settings) -> None:
    with pytest.raises(UserError, match="set KILLREPORT_AMQP_URL"):
        dagster_environment(settings.with_values(run_launcher="celery"))


@pytest.mark.parametrize(
    ("amqp_url", "broker_url"),
    [
        ("amqp://anna:secret@mq.example.org:5672/%2F?heartbeat=10", "pyamqp://anna:secret@mq.example.org:5672/%2F"),
        ("amqps://anna:secret@mq.example.org/eve", "amqps://anna:secret@mq.example.org/eve"),
    ],
)
def test_the_urls_are_in_the_environment_and_in_no_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, databases: Databases, amqp_url: str, broker_url: str
) -> None:
    with databases.named() as name:
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(name).replace("+psycopg", ""))
        monkeypatch.setenv("KILLREPORT_AMQP_URL", amqp_url)
        monkeypatch.setenv("KILLREPORT_RUN_LAUNCHER", "celery")
        environment = dagster_environment(load_settings())
    assert environment[BROKER_URL] == broker_url
    assert environment[RESULTS_URL].startswith("db+postgresql")
    written = (Path(environment["DAGSTER_HOME"]) / "dagster.yaml").read_text()
    assert "secret" not in written
    assert yaml.safe_load(written)["run_launcher"]["class"] == "RunsOnCelery"


def test_a_run_worker_without_celery_says_what_to_set(settings: Settings, command: Command) -> None:
    ended = command("run-worker")
    assert ended.code == 2
    assert "set KILLREPORT_RUN_LAUNCHER=celery everywhere" in ended.stderr


def test_old_results_are_deleted(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    with databases.named() as name:
        engine = make_engine(sa.make_url(databases.url(name)))
        assert purge_celery_results(engine, timedelta(days=30)) == 0
        monkeypatch.setenv(BROKER_URL, "pyamqp://127.0.0.1:1//")
        monkeypatch.setenv(RESULTS_URL, "db+" + databases.url(name).replace("+psycopg", ""))
        backend = run_worker_app().backend
        for task in ("old", "new"):
            backend.store_result(task, None, "SUCCESS")
        with engine.begin() as connection:
            connection.execute(
                sa.text("update celery_taskmeta set date_done = date_done - interval '31 days' where task_id = 'old'")
            )
        assert purge_celery_results(engine, timedelta(days=30)) == 1
        with engine.connect() as connection:
            assert connection.execute(sa.text("select task_id from celery_taskmeta")).scalars().all() == ["new"]
        engine.dispose()


class _Control:
    """Celery's remote control, whose worker answers, is silent, or cannot be asked."""

    def __init__(self) -> None:
        self.answers: list[list[str] | Exception] = []

    def ping(self, **_options: object) -> list[str]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def revoke(self, *_task: object, **_options: object) -> None:
        """Ends the task of a run that is given up."""


@pytest.fixture
def launcher(
    databases: Databases, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> Iterator[RunsOnCelery]:
    """A launcher over real results of Celery, in which `task` has been started."""
    with databases.named() as name:
        made = RunsOnCelery("dagster", "pyamqp://127.0.0.1:1//", "db+" + databases.url(name).replace("+psycopg", ""))
        made.register_instance(instance)
        made.celery.backend.store_result("task", {"hostname": "killreport-1@here", "pid": 1}, "STARTED")
        monkeypatch.setattr(made.celery, "control", _Control())
        yield made


def _run(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    return instance.create_run_for_job(_job, tags=tags, status=dg.DagsterRunStatus.STARTED)


@dg.job(name="some_job")
def _job() -> None:
    """A run's job."""


def test_a_worker_is_gone_after_three_silent_looks_in_a_row(
    launcher: RunsOnCelery, instance: dg.DagsterInstance
) -> None:
    run = _run(instance, **{TASK: "task"})
    pong, silent, down = ["pong"], list[str](), OperationalError("RabbitMQ is down")
    launcher.celery.control.answers = [silent, silent, pong, silent, silent, down, silent, silent, silent]
    looks = [launcher.check_run_worker_health(run).status for _ in range(9)]
    assert looks == [WorkerStatus.RUNNING] * 8 + [WorkerStatus.NOT_FOUND]


def test_a_run_without_a_task_of_its_own_is_left_to_its_time_limit(
    launcher: RunsOnCelery, instance: dg.DagsterInstance
) -> None:
    launcher.celery.backend.store_result("failed", None, "FAILURE")
    parent = _run(instance, **{TASK: "failed"})
    retry = _run(instance, **{TASK: "failed", "dagster/parent_run_id": parent.run_id})
    untagged = _run(instance)
    assert launcher.check_run_worker_health(parent).status == WorkerStatus.FAILED
    for run in (retry, untagged):
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        assert not launcher.terminate(run.run_id)

"""Runs on Celery: what it needs is said, its URLs are only in the environment, and its results do not pile up.

Runs on several machines are tested in deployment/test_run_workers.py.
"""

from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml

from killreport_assets.base.errors import UserError
from killreport_assets.database.engine import make_engine
from killreport_assets.orchestration.celery_runs import run_worker_app
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

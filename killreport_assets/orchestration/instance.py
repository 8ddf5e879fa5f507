"""Dagster's home: `HOME/dagster/dagster.yaml`, and the environment variables of Dagster's processes."""

from importlib.util import find_spec

import sqlalchemy as sa

from killreport_assets.base.errors import UserError
from killreport_assets.base.files import replace_file
from killreport_assets.database.engine import create_missing_databases, database_urls
from killreport_assets.queues.catalogue import MAX_WORKER_RUNS
from killreport_assets.settings import Settings, set_variable

DAGSTER_URL = "KILLREPORT_DAGSTER_DATABASE_URL"
BROKER_URL = "CELERY_BROKER_URL"
RESULTS_URL = "CELERY_RESULT_BACKEND"
"""As Celery names them: no settings, but made of them, as the database URL of Dagster."""
MAX_ALL_WORKER_RUNS = 6
"""Worker runs of all queues together; the instance allows a few more runs, for users, the feed and the schedules."""
DAGSTER_YAML = """\
# Written by KillReport at every start; the database URL, with its password, is only in the environment.
storage:
  postgres:
    postgres_url: {{env: {url}}}

concurrency:
  runs:
    max_concurrent_runs: {all_runs}
    tag_concurrency_limits:
      - {{key: killreport/backlog, limit: {backlog_runs}}}
      - {{key: killreport/queue, value: {{applyLimitPerUniqueValue: true}}, limit: {queue_worker_runs}}}
      - {{key: dagster/backfill, limit: 2}}
      - {{key: killreport/transforms, limit: 1}}

run_monitoring:
  enabled: true
  start_timeout_seconds: {start_seconds}
  cancel_timeout_seconds: 120
  max_runtime_seconds: 7200
  poll_interval_seconds: 30

# A crashed worker run is started again once; retries of single messages are left to the work queues.
run_retries: {{enabled: true, max_retries: 1, retry_on_asset_or_op_failure: false}}

retention:
  sensor: {{purge_after_days: {{skipped: 1, success: 14, failure: 30}}}}
  schedule: {{purge_after_days: 30}}

sensors: {{use_threads: true, num_workers: 4}}
telemetry: {{enabled: false}}
nux: {{enabled: false}}
"""
CELERY_YAML = f"""
run_launcher:
  module: killreport_assets.orchestration.celery_runs
  class: RunsOnCelery
  config:
    broker: {{env: {BROKER_URL}}}
    backend: {{env: {RESULTS_URL}}}
"""
START_SECONDS, START_SECONDS_ON_CELERY = 180, 3600
"""A run whose process gave no sign for so long has failed; on Celery it also waits for a run worker."""


def dagster_environment(settings: Settings) -> dict[str, str]:
    """Write dagster.yaml, create missing databases, and return the environment variables of Dagster's processes.

    Raises:
        UserError: PostgreSQL cannot be reached; runs are to be on Celery, and what that needs is missing.
    """
    is_on_celery = settings.operator.run_launcher == "celery"
    celery_urls = _celery_urls(settings) if is_on_celery else {}
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    queue_runs = max([MAX_WORKER_RUNS, *settings.queues.drain_runs.values()])
    all_queue_runs = max(MAX_ALL_WORKER_RUNS, queue_runs)
    limits = {"all_runs": all_queue_runs + 4, "backlog_runs": all_queue_runs, "queue_worker_runs": queue_runs}
    limits["start_seconds"] = START_SECONDS_ON_CELERY if is_on_celery else START_SECONDS
    yaml = DAGSTER_YAML.format(url=DAGSTER_URL, **limits) + (CELERY_YAML if is_on_celery else "")
    if settings.operator.dagster_yaml == "own":
        replace_file(home / "dagster.yaml", yaml)
    urls = database_urls(settings)
    create_missing_databases(urls)
    return {
        "DAGSTER_HOME": str(home),
        "KILLREPORT_HOME": str(settings.home),
        DAGSTER_URL: _plain(urls.dagster),
        **celery_urls,
    }


def _celery_urls(settings: Settings) -> dict[str, str]:
    """Where Celery has its queue and its results: everyone has to find these, also a daemon that takes over."""
    if settings.queues.amqp_url is None:
        raise UserError("KILLREPORT_RUN_LAUNCHER=celery queues runs in RabbitMQ: set KILLREPORT_AMQP_URL")
    if find_spec("dagster_celery") is None:
        raise UserError("KILLREPORT_RUN_LAUNCHER=celery needs: pip install 'killreport-assets[celery]'")
    broker, results = sa.make_url(settings.queues.amqp_url.get_secret_value()), database_urls(settings).dagster
    driver = "pyamqp" if broker.drivername == "amqp" else broker.drivername
    return {
        BROKER_URL: _plain(broker.set(drivername=driver, query={})),  # pika's parameters are not Celery's
        RESULTS_URL: f"db+{_plain(results)}",
    }


def _plain(url: sa.URL) -> str:
    return url.render_as_string(hide_password=False)


def enter_dagster_environment(settings: Settings) -> None:
    """Make this process and its children use KillReport's Dagster home."""
    for name, value in dagster_environment(settings).items():
        set_variable(name, value)

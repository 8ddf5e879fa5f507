"""Dagster's runs on several machines: a queue of RabbitMQ between the launcher and run workers (Celery).

Used with KILLREPORT_RUN_LAUNCHER=celery; needs the extra `celery`. What a run does is not known here.
"""

import os
import signal
import subprocess
import time
from typing import Any

import dagster as dg
from celery import Celery
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import serialize_value, unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from killreport_assets.base import child
from killreport_assets.orchestration.instance import BROKER_URL, RESULTS_URL

QUEUE = "dagster"
PING_SECONDS = 3.0
GONE_AFTER_SECONDS = 75.0
"""Silence of a run worker after which its machine counts as gone: three looks of Dagster's run monitoring."""
CONFIG = {
    "broker_connection_retry_on_startup": True,
    "broker_heartbeat": 10,
    # Runs are long: none waits behind another while a process is free elsewhere.
    "worker_prefetch_multiplier": 1,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
}


class RunFailed(Exception):
    """The run's process ended with another exit code than 0."""


class RunsOnCelery(CeleryRunLauncher):
    """Dagster's launcher, with our configuration, and with machines that end without a word.

    Tasks are acknowledged as they begin: RabbitMQ would deliver one again that takes longer than 30 minutes. A killed
    process is then a failed task; of a machine that is gone the task stays `STARTED`, so its worker is asked.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        options["config_source"] = CONFIG | (options.get("config_source") or {})
        super().__init__(*args, **options)
        self._silent_since: dict[str, float] = {}

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives; Dagster's run monitoring asks, and starts a lost run again."""
        result = super().check_run_worker_health(run)
        if result.status != WorkerStatus.RUNNING:
            return result
        worker = self._worker_of(run)
        if worker is None or self.celery.control.ping(destination=[worker], timeout=PING_SECONDS):
            self._silent_since.pop(run.run_id, None)
            return result
        silent_since = self._silent_since.setdefault(run.run_id, time.monotonic())
        if time.monotonic() - silent_since < GONE_AFTER_SECONDS:
            return result
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"run worker {worker} does not answer any more")

    def _worker_of(self, run: dg.DagsterRun) -> str | None:
        started = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG]).info
        return started.get("hostname") if isinstance(started, dict) else None


def run_worker_app() -> Celery:
    """The application of a run worker: it executes what the launcher has queued, with the URLs of its environment.

    A run is a child of Celery's process, because Celery's own may not have children, which Dagster's steps are.
    """
    app: Celery = make_app(  # type: ignore[no-untyped-call]
        {
            "broker": os.environ[BROKER_URL],
            "backend": os.environ[RESULTS_URL],
            "config_source": CONFIG,
            "task_default_queue": QUEUE,
        }
    )

    @app.task(name=TASK_EXECUTE_JOB_NAME, track_started=True)  # type: ignore[untyped-decorator]
    def execute_job(execute_job_args_packed: Any) -> None:
        _execute(unpack_value(execute_job_args_packed, ExecuteRunArgs))

    return app


def work_off_runs(concurrency: int) -> None:
    """Execute queued runs, `concurrency` at a time, until this process is stopped."""
    names = (f"--hostname=killreport-{os.getpid()}@%h", f"--queues={QUEUE}", f"--concurrency={concurrency}")
    run_worker_app().worker_main(["worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", *names])


def _execute(run: ExecuteRunArgs) -> None:
    here = ExecuteRunArgs(
        job_origin=run.job_origin,
        run_id=run.run_id,
        instance_ref=None,  # this machine's own dagster.yaml
        set_exit_code_on_failure=run.set_exit_code_on_failure,
    )
    process = subprocess.Popen(
        child.command("dagster", "api", "execute_run", serialize_value(here)), start_new_session=True
    )
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # so Dagster's launcher ends a run
    if process.wait() != 0:
        raise RunFailed(f"the process of run {run.run_id} ended with {process.returncode}")

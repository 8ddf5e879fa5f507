"""Dagster's runs on several machines: a queue of RabbitMQ between the launcher and run workers (Celery).

Used with KILLREPORT_RUN_LAUNCHER=celery; needs the extra `celery`. What a run does is not known here.
"""

import os
import signal
import subprocess
import warnings
from collections import Counter
from typing import Any
from uuid import uuid4

import dagster as dg
from celery import Celery
from celery.exceptions import DuplicateTaskNameWarning
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import serialize_value, unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.make_app import make_app
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

from killreport_assets.base import child
from killreport_assets.orchestration.instance import BROKER_URL, RESULTS_URL

QUEUE = "dagster"
PING_SECONDS = 3.0
MAX_SILENT_LOOKS = 3
"""Looks of Dagster's run monitoring without an answer, one after the other, after which a machine counts as gone."""
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
        # Dagster's launcher makes its task again at every launch.
        warnings.filterwarnings("ignore", category=DuplicateTaskNameWarning)
        self._silent_looks = Counter[str]()

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process lives; Dagster's run monitoring asks, and starts a lost run again."""
        if not self._is_tagged(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "no task of Celery is noted for it")
        result = super().check_run_worker_health(run)
        if result.status != WorkerStatus.RUNNING or self._answers(run):
            del self._silent_looks[run.run_id]
            return result
        self._silent_looks[run.run_id] += 1
        if self._silent_looks[run.run_id] < MAX_SILENT_LOOKS:
            return result
        self.terminate(run.run_id)  # it may live, where RabbitMQ cannot be reached
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "its run worker does not answer any more")

    def terminate(self, run_id: str) -> bool:
        """End a run's process; False if there is no task to end."""
        run = self._instance.get_run_by_id(run_id)
        return run is not None and self._is_tagged(run) and super().terminate(run_id)

    def _is_tagged(self, run: dg.DagsterRun) -> bool:
        """Whether its own task is known: it is noted after it is queued, and a retry has its parent's before."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        parent_id = run.get_parent_run_id()
        parent = self._instance.get_run_by_id(parent_id) if parent_id else None
        return task is not None and (parent is None or parent.tags.get(DAGSTER_CELERY_TASK_ID_TAG) != task)

    def _answers(self, run: dg.DagsterRun) -> bool:
        started = self.celery.AsyncResult(run.tags[DAGSTER_CELERY_TASK_ID_TAG]).info
        worker = started.get("hostname") if isinstance(started, dict) else None
        try:
            return worker is None or bool(self.celery.control.ping(destination=[worker], timeout=PING_SECONDS))
        except (OperationalError, OSError):
            return True  # RabbitMQ is down, which says nothing about the worker


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
    # In containers processes have the same number and host after each start: that is no name.
    names = (f"--hostname=killreport-{uuid4().hex[:12]}@%h", f"--queues={QUEUE}", f"--concurrency={concurrency}")
    run_worker_app().worker_main(["worker", "--loglevel=WARNING", "--without-gossip", "--without-mingle", *names])


def _execute(run: ExecuteRunArgs) -> None:
    here = ExecuteRunArgs(
        job_origin=run.job_origin,
        run_id=run.run_id,
        instance_ref=None,  # this machine's own dagster.yaml
        set_exit_code_on_failure=run.set_exit_code_on_failure,
    )
    command = child.command("dagster", "api", "execute_run", serialize_value(here))
    with subprocess.Popen(command, start_new_session=True) as process:
        former = signal.signal(signal.SIGTERM, lambda *_: process.terminate())  # so Dagster's launcher ends a run
        try:
            code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, former)
    if code != 0:
        _note_failure(run.run_id, code)
        raise RunFailed(f"the process of run {run.run_id} ended with {code}")


def _note_failure(run_id: str, code: int) -> None:
    """Say that a run failed whose process ended before it could say so itself."""
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(run_id)
        if run is not None and run.status in (dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED):
            instance.report_run_failed(run, f"the run's process ended with {code}")

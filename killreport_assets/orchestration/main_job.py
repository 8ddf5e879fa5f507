"""The main job: load killmails from every source, run workers until the queues are empty, build the dbt tables.

Every step is a recorded Dagster run, visible in the UI; a failed step is reported and does not stop the others.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import dagster as dg
import psutil
from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.reconnect import is_lost_connection, retry_on_lost_connection
from killreport_assets.monitoring.summary import summarize
from killreport_assets.orchestration.automation import TRIGGER_TAG, UNFINISHED
from killreport_assets.orchestration.jobs import drain_job_name
from killreport_assets.orchestration.metadata import WAITS
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import WORK_QUEUES, ZKILLBOARD_CHARACTERS, WorkQueue

PROGRESS_TIMEOUT = 200.0
"""Seconds without progress after which messages that are delayed, or leased by other workers, are left behind."""
MAX_FAILURES = 3
"""Consecutive failed worker runs of a queue before its messages are left behind."""
IDLE_SECONDS = 0.5
MAX_RERUNS = 4
"""Runs of one step while servers are lost again and again."""
TRIGGER = "killreport run"
PID_TAG = "killreport/pid"
"""The process of a run, so that runs of a killed process can be found."""
LOST = ("OperationalError", "InterfaceError", "AdminShutdown", "ServerUnreachable", "BrokerUnavailable")
"""Names of errors of a lost connection; Dagster records errors by name."""
Value = TypeVar("Value")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""The UI keeps every event; the console shows one line per step."""


@dataclass(frozen=True)
class Plan:
    """What one run of the main job loads."""

    from_sequence: int | None = None
    archive_days: int | None = None
    """Days of EVE Ref's archives, newest first; 0: all available; None: none."""
    character_ids: list[int] = field(default_factory=list)
    market_days: int = 0
    """Days of market history, newest first; 0: all available."""


@dataclass(frozen=True)
class Step:
    """One recorded run."""

    name: str
    seconds: float
    metadata: Mapping[str, object]
    error: str | None


@dataclass(frozen=True)
class _Outcome:
    """The outcome of one execution of a job."""

    error: str | None
    metadata: Mapping[str, object] = field(default_factory=dict)
    is_lost: bool = False
    """Whether it failed because PostgreSQL or the broker was lost."""


@dataclass
class MainJobReport:
    """The steps of the main job, and the work that it left behind."""

    steps: list[Step] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)


class MainJob:
    """Runs the steps in this process, recorded on the given Dagster instance."""

    def __init__(
        self,
        engine: Engine,
        broker: WorkBroker,
        instance: dg.DagsterInstance,
        platform: dg.Definitions,
        transforms: Callable[[], dg.Definitions],
        on_start: Callable[[str], None],
        on_step: Callable[[Step], None],
        reconnect_seconds: float = 0.0,
    ) -> None:
        """`on_start` is called with the name of each step, `on_step` when it has ended.

        A step that fails because PostgreSQL or the broker is lost is run again when they are back, within
        `reconnect_seconds`.
        """
        self._engine, self._broker, self._instance = engine, broker, instance
        self._platform, self._transforms = platform, transforms
        self._on_start, self._on_step, self._reconnect_seconds = on_start, on_step, reconnect_seconds
        self._report = MainJobReport()
        self._pid = str(os.getpid())
        self._dead_before = summarize(engine).dead_letters

    def run(self, plan: Plan) -> MainJobReport:
        """Run all steps; `MainJobReport.left_behind` lists what could not be done."""
        cancel_lost_runs(self._instance)
        self._step("static data", self._platform, "load_static_data")
        # Before the killmails: prices that arrive later have to find the days that they change.
        market = {"ops": {"market_history": {"config": {"newest_days": plan.market_days}}}}
        self._step("market history", self._platform, "load_market_history", market)
        self._step("market prices", self._platform, "load_market_prices")
        self._ingest("live feed (R2Z2)", {"r2z2": _without_none(from_sequence=plan.from_sequence)})
        if plan.archive_days is not None:
            self._ingest("archives (EVE Ref)", {"everef": {"newest_days": plan.archive_days}})
        if plan.character_ids:
            self._work(ZKILLBOARD_CHARACTERS, plan.character_ids)
        self._step("pending entities", self._platform, "scan_killmail_entities")
        self._empty_queues()
        self._step("missing static data", self._platform, "load_static_data")
        self._step("checks", self._platform, "check_raw_tables")
        self._build_transforms()
        self._record_remaining_work()
        return self._report

    def _ingest(self, name: str, source: dict[str, object]) -> None:
        config = {"ops": {"killmails": {"config": {"source": source}}}}
        self._step(name, self._platform, "ingest_killmails", config)

    def _work(self, queue: WorkQueue, ids: list[int] | None = None) -> Step:
        config: dict[str, object] = {"idle_seconds": IDLE_SECONDS, "ids": ids or []}
        op = {"ops": {f"consume_{queue.name}": {"config": config}}}
        return self._step(queue.name, self._platform, drain_job_name(queue), op, is_final=False)

    def _empty_queues(self) -> None:
        """Run workers of every queue until no message is ready or delayed, or until their runs keep failing."""
        failures: Counter[str] = Counter()
        progress = time.monotonic()
        while True:
            ready = {queue.name: self._retried(partial(self._broker.depth, queue.name)) for queue in WORK_QUEUES}
            tried = [q for q in WORK_QUEUES if failures[q.name] < MAX_FAILURES and ready[q.name].ready]
            for queue in tried:
                step = self._work(queue)
                failures[queue.name] = failures[queue.name] + 1 if step.error else 0
                if step.error and failures[queue.name] == MAX_FAILURES:
                    self._report.left_behind.append(f"{queue.name}: {step.error}")
                progress = progress if step.error else time.monotonic()
            waiting = any(self._retried(self._broker.delayed).values()) or any(
                depth.in_flight for depth in ready.values()
            )
            if is_stopping():
                return
            if not tried and (not waiting or time.monotonic() - progress > PROGRESS_TIMEOUT):
                return
            if not tried:
                time.sleep(1.0)

    def _build_transforms(self) -> None:
        started = time.monotonic()
        if is_stopping():
            return
        self._on_start("dbt")
        try:
            definitions = self._transforms()
        except Exception as error:  # dbt may be missing or broken; the killmails are stored regardless
            self._record(Step("dbt", time.monotonic() - started, {}, str(error)))
        else:
            # Column lineage is left to the nightly build: it takes as long as everything else.
            config = {"ops": {"transforms": {"config": {"describe_columns": False}}}}
            self._step("dbt", definitions, "build_all_transforms", config)

    def _step(
        self,
        name: str,
        definitions: dg.Definitions,
        job: str,
        config: dict[str, Any] | None = None,
        *,
        is_final: bool = True,
    ) -> Step:
        started, clock = datetime.now(UTC), time.monotonic()
        if is_stopping():
            return Step(name, 0.0, {"started": started}, None)
        self._on_start(name)
        for _ in range(MAX_RERUNS):
            outcome = self._execute(definitions, job, config)
            if not (outcome.is_lost and self._reconnect()):
                break
        step = Step(name, time.monotonic() - clock, {**outcome.metadata, "started": started}, outcome.error)
        self._record(step, is_final=is_final)
        return step

    def _execute(self, definitions: dg.Definitions, job: str, config: dict[str, Any] | None) -> "_Outcome":
        tags = {TRIGGER_TAG: TRIGGER, PID_TAG: self._pid}
        try:
            # dbt's output would clutter the list of steps; the UI shows it.
            with Path(os.devnull).open("w") as devnull, redirect_stdout(devnull):
                result = definitions.resolve_job_def(job).execute_in_process(
                    run_config=(config or {}) | QUIET, instance=self._instance, tags=tags, raise_on_error=False
                )
        except Exception as failed:  # a resource that cannot be built fails this step, not the others
            return _Outcome(f"{type(failed).__name__}: {failed}", is_lost=_is_lost_anywhere(failed))
        if not result.success:
            return _Outcome(_first_error(result), _metadata(result), is_lost=_failed_by_loss(result))
        return _Outcome(None, _metadata(result))

    def _reconnect(self) -> bool:
        """Wait until PostgreSQL and the broker are back; False if they are not in time."""

        def reconnect() -> None:
            self._engine.dispose()
            with self._engine.connect():
                self._broker.reconnect()
            cancel_runs(self._instance, self._pid)

        try:
            retry_on_lost_connection(reconnect, self._reconnect_seconds)
        except Exception as lost:
            if not _is_lost_anywhere(lost):
                raise
            return False
        return True

    def _retried(self, action: Callable[[], Value]) -> Value:
        try:
            return action()
        except Exception as lost:
            if not (is_lost_connection(lost) and self._reconnect()):
                raise
            return action()

    def _record(self, step: Step, *, is_final: bool = True) -> None:
        """Report a step; a failed final step means that work is left behind."""
        self._report.steps.append(step)
        self._on_step(step)
        if step.error and is_final:
            self._report.left_behind.append(f"{step.name}: {step.error}")
        elif WAITS in step.metadata:
            self._report.left_behind.append(f"{step.name}: {step.metadata[WAITS]}")

    def _record_remaining_work(self) -> None:
        for queue in WORK_QUEUES:
            depth = self._broker.depth(queue.name)
            if left := depth.ready + (depth.in_flight or 0):
                self._report.left_behind.append(f"{queue.name}: {left} messages")
        if delayed := sum(self._broker.delayed().values()):
            self._report.left_behind.append(f"{delayed} messages are delayed and will be delivered again")
        summary = summarize(self._engine)
        if dead := summary.dead_letters - self._dead_before:
            self._report.left_behind.append(f"{dead} new dead letters: select * from ops.dead_letters")
        if summary.pending:
            self._report.left_behind.append(f"{summary.pending} entities are still pending")


def _without_none(**options: object) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    """The metadata that the UI shows for the run's step."""
    found: dict[str, object] = {}
    for event in result.all_events:
        if event.is_step_materialization:
            entries = event.step_materialization_data.materialization.metadata
        elif event.is_successful_output:
            entries = event.step_output_data.metadata
        else:
            continue
        found |= {name: entry.value for name, entry in entries.items() if name != "preview"}
    return found


def _first_error(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return str(data.user_failure_data.description)
            error = data.error
            cause = error.cause if error and error.cause else error
            return cause.message.strip() if cause else "failed"
        if event.is_failure and event.message:
            return str(event.message)
    return "failed"


def _is_lost_anywhere(error: BaseException) -> bool:
    while True:
        if is_lost_connection(error) or type(error).__name__ in LOST:
            return True
        cause = error.__cause__ or error.__context__
        if cause is None:
            return False
        error = cause


def _failed_by_loss(result: dg.ExecuteInProcessResult) -> bool:
    for event in result.all_events:
        error = event.step_failure_data.error if event.is_step_failure else None
        while error is not None:
            if error.cls_name in LOST:
                return True
            error = error.cause or error.context
    return False


def tables_built(instance: dg.DagsterInstance) -> tuple[int, int]:
    """Count the tables that the unfinished run of this process has materialized, and those that it will in all."""
    pid = str(os.getpid())
    runs = [run.run_id for run in _unfinished_runs(instance) if run.tags.get(PID_TAG) == pid]

    def count(kind: dg.DagsterEventType) -> int:
        return sum(len(instance.get_records_for_run(run, of_type=kind).records) for run in runs)

    kinds = dg.DagsterEventType
    return count(kinds.ASSET_MATERIALIZATION), count(kinds.ASSET_MATERIALIZATION_PLANNED)


def cancel_lost_runs(instance: dg.DagsterInstance) -> None:
    """Mark runs of the main job as canceled whose process was killed: nothing of theirs has failed."""
    for run in _unfinished_runs(instance):
        pid = run.tags.get(PID_TAG, "")
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            instance.report_run_canceled(run)


def cancel_runs(instance: dg.DagsterInstance, pid: str) -> None:
    """Mark the unfinished runs of a process as canceled."""
    for run in _unfinished_runs(instance):
        if run.tags.get(PID_TAG) == pid:
            instance.report_run_canceled(run)


def _unfinished_runs(instance: dg.DagsterInstance) -> Sequence[dg.DagsterRun]:
    return instance.get_runs(dg.RunsFilter(tags={TRIGGER_TAG: TRIGGER}, statuses=UNFINISHED))

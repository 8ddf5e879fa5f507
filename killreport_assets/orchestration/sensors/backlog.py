"""One sensor per work queue: starts bounded worker runs in proportion to the queue's backlog."""

import json
import math
import time
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.http.pauses import longest_pause
from killreport_assets.orchestration.assets.external import queue_key
from killreport_assets.orchestration.automation import QUEUE_TAG, TRIGGER_TAG, UNFINISHED, sensor_status
from killreport_assets.orchestration.jobs import MAX_RUNTIME_SECONDS, drain_job_name
from killreport_assets.queues.broker import Depth, WorkBroker
from killreport_assets.queues.catalogue import MAX_WORKER_RUNS, WORK_QUEUES, WorkQueue
from killreport_assets.settings import Settings

MESSAGES_PER_RUN = 2_500
OBSERVE_SECONDS = 60


def runs_to_start(ready: int, under_way: int, max_runs: int = MAX_WORKER_RUNS) -> int:
    """The number of worker runs to start for a backlog, beyond those that are under way."""
    return max(0, min(max_runs, math.ceil(ready / MESSAGES_PER_RUN)) - under_way)


def _runs_under_way(instance: dg.DagsterInstance, queue: WorkQueue) -> int:
    # An older run is lost, even if its status is unfinished: it must not block the queue.
    oldest = datetime.now(UTC) - timedelta(seconds=MAX_RUNTIME_SECONDS)
    filters = dg.RunsFilter(statuses=UNFINISHED, tags={QUEUE_TAG: queue.name}, created_after=oldest)
    return instance.get_runs_count(filters)


def _backlog_sensor(queue: WorkQueue, settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{queue.name}_backlog",
        job_name=drain_job_name(queue),
        minimum_interval_seconds=settings.schedules.backlog_interval,
        default_status=sensor_status(settings),
        description=f"Starts worker runs while {queue.name} has messages",
    )
    def backlog(
        context: dg.SensorEvaluationContext, broker: dg.ResourceParam[WorkBroker], database: dg.ResourceParam[Engine]
    ) -> dg.SensorResult:
        depth = broker.depth(queue.name)
        under_way = _runs_under_way(context.instance, queue)
        with database.connect() as connection:
            pause = longest_pause(connection, queue.rate_limits)
        max_runs = settings.queues.drain_runs.get(queue.name, MAX_WORKER_RUNS)
        starting = 0 if pause else runs_to_start(depth.ready, under_way, max_runs)
        # No run keys: unfinished runs are counted, and after a cursor reset Dagster would skip known keys forever.
        requests = [dg.RunRequest(tags={TRIGGER_TAG: "backlog"}) for _ in range(starting)]
        skip = None if requests else f"{depth.ready} messages, {under_way} runs under way"
        if pause and depth.ready:
            skip = f"{printable(pause.reason)}; until {pause.until:%F %T} UTC; {depth.ready} messages wait"
        observation, cursor = _observe(queue, depth, under_way, json.loads(context.cursor or "{}"))
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=skip,
            asset_events=[observation] if observation else [],
            cursor=json.dumps(cursor),
        )

    return backlog


def _observe(
    queue: WorkQueue, depth: Depth, under_way: int, cursor: dict[str, float]
) -> tuple[dg.AssetObservation | None, dict[str, float]]:
    """An observation of the queue's depth, when it has changed and at most once a minute; and the new cursor."""
    now, depths = time.time(), {"ready": depth.ready, "dead": depth.dead}
    is_changed = any(cursor.get(name) != count for name, count in depths.items())
    if not is_changed or now - cursor.get("at", 0) < OBSERVE_SECONDS:
        return None, cursor
    metadata = depths | {"worker runs under way": under_way}
    return dg.AssetObservation(queue_key(queue), metadata=metadata), {**depths, "at": now}


def build_backlog_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Build one sensor for each queue of the catalogue."""
    return [_backlog_sensor(queue, settings) for queue in WORK_QUEUES]

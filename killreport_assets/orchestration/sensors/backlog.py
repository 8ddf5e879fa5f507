"""One sensor for each work queue: starts as many bounded drain runs as its backlog deserves."""

import json
import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.http.pauses import longest_pause
from killreport_assets.orchestration.assets.external import queue_key
from killreport_assets.orchestration.jobs import MAX_RUNTIME_SECONDS, QUEUE_TAG, drain_job_name
from killreport_assets.orchestration.schedules import default_status
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import MOST_RUNS, WORK_QUEUES, WorkQueue
from killreport_assets.settings import Settings

MESSAGES_PER_RUN = 2_500
OBSERVE_SECONDS = 60
UNFINISHED = [status for status in dg.DagsterRunStatus if status.name not in {"SUCCESS", "FAILURE", "CANCELED"}]


def runs_to_start(ready: int, under_way: int, most_runs: int = MOST_RUNS) -> int:
    """How many drain runs a backlog deserves beyond those that are under way."""
    return max(0, min(most_runs, math.ceil(ready / MESSAGES_PER_RUN)) - under_way)


def _runs_under_way(instance: dg.DagsterInstance, queue: WorkQueue) -> int:
    # A run that is older is lost, whatever its status says: it must not keep the queue from being drained.
    oldest = datetime.now(UTC) - timedelta(seconds=MAX_RUNTIME_SECONDS)
    filters = dg.RunsFilter(statuses=UNFINISHED, tags={QUEUE_TAG: queue.name}, created_after=oldest)
    return instance.get_runs_count(filters)


def _backlog_sensor(queue: WorkQueue, settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{queue.name}_backlog",
        job_name=drain_job_name(queue),
        minimum_interval_seconds=settings.schedules.backlog_interval,
        default_status=default_status(settings, dg.DefaultSensorStatus),
        description=f"Starts drain runs while {queue.name} has messages",
    )
    def backlog(
        context: dg.SensorEvaluationContext, broker: dg.ResourceParam[WorkBroker], database: dg.ResourceParam[Engine]
    ) -> dg.SensorResult:
        depth = broker.depth(queue.name)
        under_way = _runs_under_way(context.instance, queue)
        cursor = json.loads(context.cursor or "{}")
        with database.connect() as connection:
            pause = longest_pause(connection, queue.paces)
        starting = (
            0 if pause else runs_to_start(depth.ready, under_way, settings.queues.drain_runs.get(queue.name, MOST_RUNS))
        )
        # No run keys: what is under way is counted, and a key would be refused for ever after a reset of the cursor.
        requests = [dg.RunRequest(tags={"killreport/trigger": "backlog"}) for _ in range(starting)]
        events = list(_observation(queue, depth.ready, depth.dead, under_way, cursor))
        skip = None if requests else f"{depth.ready} messages, {under_way} runs under way"
        if pause and depth.ready:
            skip = f"{pause.reason}; until {pause.until:%F %T} UTC; {depth.ready} messages wait"
        return dg.SensorResult(
            run_requests=requests,
            skip_reason=skip,
            asset_events=events,
            cursor=json.dumps(cursor),
        )

    return backlog


def _observation(
    queue: WorkQueue, ready: int, dead: int, under_way: int, cursor: dict[str, float]
) -> Iterator[dg.AssetObservation]:
    """The queue's depth as an observation, when it has changed and at most once a minute; noted in the cursor."""
    now = time.time()
    if (ready, dead) != (cursor.get("ready"), cursor.get("dead")) and now - cursor.get("at", 0) >= OBSERVE_SECONDS:
        cursor |= {"ready": ready, "dead": dead, "at": now}
        metadata = {"ready": ready, "dead": dead, "drain runs under way": under_way}
        yield dg.AssetObservation(queue_key(queue), metadata=metadata)


def build_backlog_sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """One for each queue of the catalogue."""
    return [_backlog_sensor(queue, settings) for queue in WORK_QUEUES]

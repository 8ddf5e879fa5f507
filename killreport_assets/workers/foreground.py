"""Workers outside Dagster: one process that handles a queue until it is empty, or until it is stopped.

What a worker does with messages is in worker.py; how many processes run is the command's.
"""

import logging
import os
import platform
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import is_stopping
from killreport_assets.esi.client import EsiClient
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import WORK_QUEUES, WorkQueue
from killreport_assets.settings import Settings
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.registry import producers, registrations
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.worker import run_worker

PAUSE_SECONDS = 2.0
"""Between two rounds of a worker that found nothing, and after a batch that failed as a whole."""
log = logging.getLogger(__name__)


def queue_of(name: str) -> WorkQueue:
    """The queue of that name, or of the producer of that name.

    Raises:
        UserError: there is none; the message lists them.
    """
    by_name = {queue.name: queue for queue in WORK_QUEUES}
    by_name |= {producer.name: producer.queue for producer in producers().values()}
    if name not in by_name:
        raise UserError(f"there is no queue {name!r}; there are {', '.join(by_name)}")
    return by_name[name]


def work_in_foreground(
    settings: Settings,
    engine: Engine,
    broker: WorkBroker,
    queue: WorkQueue,
    *,
    is_endless: bool,
    settled: Callable[[WorkerReport], None],
) -> Counter[str]:
    """Handle a queue's messages until it is empty, or with `is_endless` until the process is stopped.

    Returns the messages by outcome; `settled` gets the report of each round. Lineage names this process as the run.
    While a service asks to wait, an endless worker waits; another one leaves the rest.

    Raises:
        BrokerUnavailable, sqlalchemy.exc.DBAPIError, UserError: see `run_worker`.
    """
    run_id = f"worker {os.getpid()} on {platform.node()}"
    esi, zkillboard = EsiClient(settings, engine), Zkillboard(settings, engine)
    context = WorkerContext(settings, engine, esi, zkillboard)
    outcomes: Counter[str] = Counter()
    try:
        with context.cleanup:
            handler = registrations()[queue].build(context)
            while True:
                report = run_worker(
                    handler,
                    broker,
                    engine,
                    WorkerLimits(batch_size=queue.batch_size),
                    run_id=run_id,
                    parallel_fetches=settings.queues.parallel_fetches.get(queue.name),
                    reconnect_seconds=settings.database.reconnect_seconds,
                )
                outcomes += report.outcomes
                if report.received:
                    settled(report)
                    resolve_names(engine, esi)
                is_done = report.throttled_until is not None or not report.received
                if is_stopping() or (is_done and not is_endless):
                    return outcomes
                if report.throttled_until is not None:
                    log.warning("%s waits until %s: its service asks for it", queue.name, report.throttled_until)
                    _wait((report.throttled_until - datetime.now(UTC)).total_seconds())
                elif report.failed or not report.received:
                    _wait(PAUSE_SECONDS)
    finally:
        esi.close()
        zkillboard.close()


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_stopping() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.5))

"""Workers in Dagster: their run configuration, and one op for each queue that does not fill a table of its own.

The workers of the info queues are their tables' assets (assets/entities.py).
"""

from collections.abc import Mapping

import dagster as dg
from pydantic import Field, PositiveInt

from killreport_assets.base.text import printable
from killreport_assets.orchestration.automation import QUEUE_TAG
from killreport_assets.orchestration.metadata import (
    MetadataValue,
    asset_key,
    names_metadata,
    table_metadata,
    worker_metadata,
)
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import KILLMAILS, WorkQueue
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.registry import Registration, registrations
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.worker import run_worker

MATERIALIZED_BY_OPS = (*tables.KILLMAIL_TABLES, tables.alliance_corporations, tables.syncs)


class WorkerConfig(dg.Config):
    """Limits of one worker run; it ends when the first of them is reached."""

    messages: int = Field(WorkerLimits.messages, gt=0, description="maximum number of messages to receive")
    seconds: float = Field(WorkerLimits.seconds, gt=0, description="maximum runtime in seconds")
    idle_seconds: float = Field(WorkerLimits.idle_seconds, gt=0, description="seconds to wait on an empty queue")
    batch_size: int | None = Field(None, gt=0, description="messages per transaction; default: the queue's own")
    parallel_fetches: int | None = Field(
        None, gt=0, description="concurrent requests; default: KILLREPORT_PARALLEL_FETCHES, else the queue's own"
    )
    ids: list[PositiveInt] = Field([], description="ids to fetch first, in addition to the queued messages")

    def limits(self, queue: WorkQueue) -> WorkerLimits:
        """The limits of a worker of this queue."""
        return WorkerLimits(self.messages, self.seconds, self.idle_seconds, self.batch_size or queue.batch_size)


def work(
    registration: Registration, config: WorkerConfig, workers: WorkerContext, broker: WorkBroker, run_id: str
) -> WorkerReport:
    """Run a worker with the limits of the run configuration and the settings.

    Raises:
        dagster.Failure: killmails are requested by id without their hash.
    """
    queue = registration.queue
    if config.ids and queue == KILLMAILS:
        raise dg.Failure("a killmail is fetched by id and hash: materialize raw/killmails with the source esi")
    publish_ids(broker, queue, config.ids, run_id=run_id, urgent=True)
    return run_worker(
        registration.build(workers),
        broker,
        workers.engine,
        config.limits(queue),
        run_id=run_id,
        parallel_fetches=config.parallel_fetches or workers.settings.queues.parallel_fetches.get(queue.name),
        reconnect_seconds=workers.settings.database.reconnect_seconds,
    )


def fail_when_a_batch_failed(report: WorkerReport, metadata: Mapping[str, MetadataValue]) -> None:
    """Fail the run when every message of a batch failed.

    Raises:
        dagster.Failure: with the first errors; the messages are delivered again or are dead letters, none is lost.
    """
    if report.failed:
        raise dg.Failure(
            f"all messages of a batch failed: {printable('; '.join(report.errors))}", metadata=dict(metadata)
        )


def _worker_op(registration: Registration) -> dg.OpDefinition:
    queue = registration.queue

    @dg.op(
        name=f"consume_{queue.name}",
        description=queue.description,
        tags={QUEUE_TAG: queue.name},
        out=dg.Out(dg.Nothing),
    )
    def consume(
        context: dg.OpExecutionContext,
        config: WorkerConfig,
        worker_context: dg.ResourceParam[WorkerContext],
        broker: dg.ResourceParam[WorkBroker],
    ) -> None:
        engine = worker_context.engine
        report = work(registration, config, worker_context, broker, context.run_id)
        metadata = worker_metadata(report)
        for table in MATERIALIZED_BY_OPS:
            if report.rows[table.name]:
                shown = metadata | table_metadata(engine, table)
                context.log_event(dg.AssetMaterialization(asset_key(table), metadata=shown))
        metadata |= names_metadata(resolve_names(engine, worker_context.esi))
        context.add_output_metadata(metadata)
        fail_when_a_batch_failed(report, metadata)

    return consume


WORKER_OPS = {
    queue: _worker_op(registration) for queue, registration in registrations().items() if registration.table is None
}
"""By queue."""

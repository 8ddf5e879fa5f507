"""The assets raw/alliances, raw/corporations, raw/characters and raw/types.

Each is the worker of its info queue: materializing it publishes pending work and handles the queue's messages.
"""

from collections.abc import Iterator

import dagster as dg
import sqlalchemy as sa

from killreport_assets.orchestration.assets.external import ESI, queue_key
from killreport_assets.orchestration.automation import QUEUE_TAG
from killreport_assets.orchestration.metadata import asset_key, table_metadata, table_spec, worker_metadata
from killreport_assets.orchestration.ops.consume import WorkerConfig, fail_when_a_batch_failed, work
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.publisher import publish_pending
from killreport_assets.workers.registry import Registration, registrations


def _entity_asset(registration: Registration, table: sa.Table) -> dg.AssetsDefinition:
    queue = registration.queue
    spec = table_spec(table, "entities", [queue_key(queue), ESI.key])

    @dg.multi_asset(name=f"consume_{queue.name}", specs=[spec], op_tags={QUEUE_TAG: queue.name})
    def consume(
        context: dg.AssetExecutionContext,
        config: WorkerConfig,
        worker_context: dg.ResourceParam[WorkerContext],
        broker: dg.ResourceParam[WorkBroker],
    ) -> Iterator[dg.MaterializeResult[None]]:
        engine = worker_context.engine
        publish_pending(engine, broker, run_id=context.run_id)
        report = work(registration, config, worker_context, broker, context.run_id)
        metadata = worker_metadata(report)
        shown = metadata | table_metadata(engine, table)
        if report.failed and report.rows[table.name]:  # a failed run yields nothing, but has stored rows
            context.log_event(dg.AssetMaterialization(asset_key(table), metadata=shown))
        fail_when_a_batch_failed(report, metadata)
        yield dg.MaterializeResult(asset_key(table), metadata=shown)

    return consume


ENTITY_ASSETS = [
    _entity_asset(registration, registration.table)
    for registration in registrations().values()
    if registration.table is not None
]

"""The assets raw/alliances, raw/corporations, raw/characters and raw/types.

Each is the consuming op of its info queue: materializing it publishes what is pending and drains the queue.
"""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.orchestration.assets.external import ESI, queue_key
from killreport_assets.orchestration.metadata import asset_key, drain_metadata, table_metadata, table_spec
from killreport_assets.orchestration.ops.consume import DrainConfig, drain, fail_when_a_batch_failed
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import ENTITY_QUEUES, WorkQueue
from killreport_assets.settings import load_settings
from killreport_assets.store.schema import tables
from killreport_assets.workers.handlers.entities import EntityWork
from killreport_assets.workers.publisher import publish_ids, publish_pending


def _entity_asset(queue: WorkQueue) -> dg.AssetsDefinition:
    table = tables.DIMENSIONS[queue.kind]
    spec = table_spec(table, "entities", [queue_key(queue), ESI])

    @dg.multi_asset(name=f"consume_{queue.name}", specs=[spec], op_tags={"killreport/queue": queue.name})
    def consume(
        context: dg.AssetExecutionContext,
        config: DrainConfig,
        database: dg.ResourceParam[Engine],
        broker: dg.ResourceParam[WorkBroker],
        esi: dg.ResourceParam[EsiClient],
    ) -> Iterator[dg.MaterializeResult[None]]:
        publish_pending(database, broker, run_id=context.run_id)
        publish_ids(broker, queue, config.ids, run_id=context.run_id, urgent=True)
        work = EntityWork(queue.kind, esi, load_settings().data.entity_ttl_days)
        report = drain(context, config, database, broker, work)
        metadata = drain_metadata(report)
        shown = metadata | table_metadata(database, table)
        if report.failed and report.rows[table.name]:  # a red run yields nothing, and what it stored is to be seen
            context.log_event(dg.AssetMaterialization(asset_key(table), metadata=shown))
        fail_when_a_batch_failed(report, metadata)
        yield dg.MaterializeResult(asset_key(table), metadata=shown)

    return consume


ENTITY_ASSETS = [_entity_asset(queue) for queue in ENTITY_QUEUES]

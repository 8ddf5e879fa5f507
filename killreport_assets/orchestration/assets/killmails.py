"""The assets raw/killmails, its attackers and items, and zKillboard's values: one multi-asset for all sources."""

from collections.abc import Iterator

import dagster as dg

from killreport_assets.orchestration.assets.external import queue_key
from killreport_assets.orchestration.assets.killmail_sources import (
    KILLMAIL_SERVICES,
    KillmailsConfig,
    KillmailServices,
)
from killreport_assets.orchestration.metadata import (
    Metadata,
    asset_key,
    names_metadata,
    stop_when_incomplete,
    table_metadata,
    table_spec,
)
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import KILLMAILS, ZKILLBOARD_CHARACTERS
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_pending

UPSTREAM = [
    *(spec.key for spec in KILLMAIL_SERVICES),
    asset_key(tables.history_days),
    queue_key(ZKILLBOARD_CHARACTERS),
    queue_key(KILLMAILS),
]


@dg.multi_asset(
    name="killmails",
    specs=[table_spec(table, "killmails", UPSTREAM, skippable=True) for table in tables.KILLMAIL_TABLES],
)
def killmails(
    context: dg.AssetExecutionContext,
    config: KillmailsConfig,
    worker_context: dg.ResourceParam[WorkerContext],
    broker: dg.ResourceParam[WorkBroker],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load killmails from one source, store the new ones, publish the entities that they mention."""
    engine, source = worker_context.engine, config.source
    metadata: Metadata = {"source": source.kind}
    try:
        metadata |= source.load(KillmailServices(worker_context, broker, context.run_id))
    finally:
        # Killmails written before an error have pending entities, which are published regardless.
        metadata["published"] = publish_pending(engine, broker, run_id=context.run_id)
        metadata |= names_metadata(resolve_names(engine, worker_context.esi))
    stop_when_incomplete(metadata, source.kind)
    for table in tables.KILLMAIL_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(engine, table))

"""External assets, which complete the graph: feeds, archives, services, work queues, and tables that ops write."""

import dagster as dg

from killreport_assets.orchestration.assets.killmail_sources import KILLMAIL_SERVICES
from killreport_assets.orchestration.metadata import OWNERS, asset_key, service_spec, table_spec
from killreport_assets.queues.catalogue import (
    ALLIANCE_CORPORATIONS,
    CORPORATION_KILLMAILS,
    USER_KILLMAILS,
    WORK_QUEUES,
    ZKILLBOARD_CHARACTERS,
    WorkQueue,
)
from killreport_assets.store.schema import tables
from killreport_assets.workers.registry import registrations

ZKILLBOARD_LISTS = service_spec("zkillboard/lists", "zKillboard's lists of a character's killmails")
EVEREF_MARKET_HISTORY = service_spec("everef/market_history", "EVE Ref's daily market history, all regions")
EVEREF_WARS = service_spec("everef/wars", "EVE Ref's archives of wars and their killmails")
STATIC_DATA_EXPORT = service_spec("ccp/static_data_export", "CCP's static data export")
ESI = service_spec("ccp/esi", "EVE's API")
SSO = service_spec("ccp/sso", "EVE's sign-in: users who grant access to their killmails")
SERVICES = [*KILLMAIL_SERVICES, ZKILLBOARD_LISTS, EVEREF_MARKET_HISTORY, EVEREF_WARS, STATIC_DATA_EXPORT, ESI, SSO]


def queue_key(queue: WorkQueue) -> dg.AssetKey:
    """The external asset of a work queue."""
    return dg.AssetKey(["queue", queue.name])


QUEUES = [
    dg.AssetSpec(
        queue_key(queue),
        description=f"Work queue: {queue.description}",
        group_name="queues",
        owners=OWNERS,
        kinds={"queue"},
        deps=[dg.AssetKey(key.split("/")) for key in registration.upstream],
    )
    for queue, registration in registrations().items()
]
LINEAGE = [
    dg.AssetSpec(
        asset_key(table),
        description=table.comment,
        group_name="lineage",
        owners=OWNERS,
        kinds={"postgres"},
        deps=deps,
    )
    for table, deps in (
        (tables.enrichments, [asset_key(tables.killmails), *map(asset_key, tables.DIMENSIONS.values())]),
        (tables.dead_letters, [queue_key(queue) for queue in WORK_QUEUES]),
        (tables.missing_killmails, [asset_key(tables.history_days)]),
    )
]
BULK = [
    table_spec(table, "entities", deps)
    for table, deps in (
        (tables.entity_names, [asset_key(tables.killmails), ESI.key]),
        (tables.alliance_corporations, [queue_key(ALLIANCE_CORPORATIONS), ESI.key]),
        (tables.character_affiliations, [asset_key(tables.characters), ESI.key]),
    )
]
SYNCS = table_spec(
    tables.syncs,
    "users",
    [queue_key(queue) for queue in (USER_KILLMAILS, CORPORATION_KILLMAILS, ZKILLBOARD_CHARACTERS)],
)
EXTERNAL_ASSETS = [*SERVICES, *QUEUES, *BULK, *LINEAGE, SYNCS]

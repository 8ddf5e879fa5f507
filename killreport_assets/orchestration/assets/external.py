"""External assets, which complete the graph: feeds, archives, services, work queues, and tables that ops write."""

import dagster as dg

from killreport_assets.orchestration.metadata import OWNERS, asset_key, table_spec
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

R2Z2 = dg.AssetKey(["zkillboard", "r2z2"])
ZKILLBOARD_LISTS = dg.AssetKey(["zkillboard", "lists"])
EVEREF_KILLMAILS = dg.AssetKey(["everef", "killmails"])
EVEREF_MARKET_HISTORY = dg.AssetKey(["everef", "market_history"])
STATIC_DATA_EXPORT = dg.AssetKey(["ccp", "static_data_export"])
ESI = dg.AssetKey(["ccp", "esi"])
SSO = dg.AssetKey(["ccp", "sso"])


def queue_key(queue: WorkQueue) -> dg.AssetKey:
    """The external asset of a work queue."""
    return dg.AssetKey(["queue", queue.name])


SOURCES = [
    dg.AssetSpec(key, description=description, group_name="sources", owners=OWNERS, kinds={"http"})
    for key, description in (
        (R2Z2, "zKillboard's live feed of whole killmails"),
        (ZKILLBOARD_LISTS, "zKillboard's lists of a character's killmails"),
        (EVEREF_KILLMAILS, "EVE Ref's daily killmail archives"),
        (EVEREF_MARKET_HISTORY, "EVE Ref's daily market history, all regions"),
        (STATIC_DATA_EXPORT, "CCP's static data export"),
        (ESI, "EVE's API"),
        (SSO, "EVE's sign-in: users who grant access to their killmails"),
    )
]
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
        asset_key(tables.enrichments),
        description=tables.enrichments.comment,
        group_name="lineage",
        owners=OWNERS,
        kinds={"postgres"},
        deps=[asset_key(tables.killmails), *(asset_key(t) for t in tables.DIMENSIONS.values())],
    ),
    dg.AssetSpec(
        asset_key(tables.dead_letters),
        description=tables.dead_letters.comment,
        group_name="lineage",
        owners=OWNERS,
        kinds={"postgres"},
        deps=[queue_key(queue) for queue in WORK_QUEUES],
    ),
]
BULK = [
    table_spec(table, "entities", deps)
    for table, deps in (
        (tables.entity_names, [asset_key(tables.killmails), ESI]),
        (tables.alliance_corporations, [queue_key(ALLIANCE_CORPORATIONS), ESI]),
        (tables.character_affiliations, [asset_key(tables.characters), ESI]),
    )
]
SYNCS = table_spec(
    tables.syncs,
    "users",
    [queue_key(queue) for queue in (USER_KILLMAILS, CORPORATION_KILLMAILS, ZKILLBOARD_CHARACTERS)],
)
EXTERNAL_ASSETS = [*SOURCES, *QUEUES, *BULK, *LINEAGE, SYNCS]

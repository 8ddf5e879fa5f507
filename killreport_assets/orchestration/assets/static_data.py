"""The assets of the static tables: groups, categories, markets, the map, factions, blueprints, inventory flags."""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.ingest.static_data import StaticDataLoader
from killreport_assets.orchestration.assets.external import STATIC_DATA_EXPORT
from killreport_assets.orchestration.metadata import (
    asset_key,
    load_metadata,
    stop_when_incomplete,
    table_metadata,
    table_spec,
)
from killreport_assets.sources.sde import StaticData
from killreport_assets.store.schema import tables

STATIC_TABLES = (
    tables.groups,
    tables.categories,
    tables.market_groups,
    tables.meta_groups,
    tables.systems,
    tables.constellations,
    tables.regions,
    tables.factions,
    tables.blueprint_materials,
    tables.inventory_flags,
)


@dg.multi_asset(
    name="static_data",
    specs=[
        table_spec(table, "static_data", [] if table is tables.inventory_flags else [STATIC_DATA_EXPORT.key])
        for table in STATIC_TABLES
    ],
)
def static_data(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Engine],
    static_data: dg.ResourceParam[StaticData],
    esi: dg.ResourceParam[EsiClient],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load the newest export, including types, and request from ESI what the export lacks."""
    metadata = load_metadata(StaticDataLoader(static_data, esi, context.run_id).load(database))
    stop_when_incomplete(metadata)
    if metadata["rows loaded"]:
        shown = metadata | table_metadata(database, tables.types)
        context.log_event(dg.AssetMaterialization(asset_key(tables.types), metadata=shown))
    for table in STATIC_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(database, table))

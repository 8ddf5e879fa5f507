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
    tables.stargates,
    tables.constellations,
    tables.regions,
    tables.factions,
    tables.blueprint_materials,
    tables.inventory_flags,
)


STATIC_BUILDS = dg.DynamicPartitionsDefinition(name="static_data_builds")
"""CCP's builds by number; every run adds the newest. Add others by hand to load them, as long as CCP serves them."""


@dg.multi_asset(
    name="static_data",
    specs=[
        table_spec(
            table,
            "static_data",
            [] if table is tables.inventory_flags else [STATIC_DATA_EXPORT.key],
            partitions_def=STATIC_BUILDS,
        )
        for table in STATIC_TABLES
    ],
)
def static_data(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Engine],
    static_data: dg.ResourceParam[StaticData],
    esi: dg.ResourceParam[EsiClient],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load the newest export or that of the selected build, with types, and request from ESI what the export lacks.

    The tables show the build that was loaded last; the schedule loads the newest again.
    """
    selected = context.partition_key if context.has_partition_key else None
    metadata = load_metadata(StaticDataLoader(static_data, esi, context.run_id, selected).load(database))
    stop_when_incomplete(metadata)
    build = metadata.get("build")
    if selected is None and build is not None:
        context.instance.add_dynamic_partitions(str(STATIC_BUILDS.name), [str(build)])
    if metadata["rows loaded"]:
        shown = metadata | table_metadata(database, tables.types)
        context.log_event(dg.AssetMaterialization(asset_key(tables.types), metadata=shown))
    for table in STATIC_TABLES:
        shown = metadata | table_metadata(database, table)
        if selected is None and metadata["rows loaded"]:  # otherwise Dagster itself materializes the selected build
            context.log_event(dg.AssetMaterialization(asset_key(table), partition=str(build), metadata=shown))
        yield dg.MaterializeResult(asset_key(table), metadata=shown)

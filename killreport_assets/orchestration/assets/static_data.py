"""The assets of the static tables: groups, categories, markets, the map, factions, inventory flags."""

import json
from collections.abc import Iterator
from importlib import resources

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import ServiceError, Throttled
from killreport_assets.ingest.static_data import load
from killreport_assets.ingest.static_gaps import fill_static_gaps
from killreport_assets.orchestration.assets.external import STATIC_DATA_EXPORT
from killreport_assets.orchestration.metadata import Metadata, asset_key, table_metadata, table_spec
from killreport_assets.sources.sde import StaticData
from killreport_assets.store.entities import upsert
from killreport_assets.store.lineage import settle_known
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
    tables.inventory_flags,
)


@dg.multi_asset(
    name="static_data",
    specs=[
        table_spec(table, "static_data", [] if table is tables.inventory_flags else [STATIC_DATA_EXPORT])
        for table in STATIC_TABLES
    ],
)
def static_data(
    context: dg.AssetExecutionContext,
    database: dg.ResourceParam[Engine],
    static_data: dg.ResourceParam[StaticData],
    esi: dg.ResourceParam[EsiClient],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load the newest export, types too, and ask ESI for what it cannot give."""
    with database.begin() as connection:
        upsert(connection, tables.inventory_flags, _inventory_flags())
    rows: dict[str, int] = {}
    unreachable = None
    try:
        rows = load(static_data, database)
    except ServiceError as error:
        unreachable = str(error)
        context.log.warning(f"no static data export ({error}): what is missing comes from ESI, one by one")
    with database.begin() as connection:
        settled = settle_known(connection, "type", context.run_id)
    try:
        filled = fill_static_gaps(esi, database)
    except (ServiceError, Throttled) as error:
        raise dg.Failure(f"the static data's gaps are not filled: {error}") from error
    metadata: Metadata = {
        "rows loaded": sum(rows.values()),
        "filled from ESI": sum(filled.values()),
        "pending types settled": settled,
    }
    metadata |= {"export": f"out of reach: {unreachable}"} if unreachable else {}
    if rows:
        context.log_event(
            dg.AssetMaterialization(asset_key(tables.types), metadata=metadata | table_metadata(database, tables.types))
        )
    for table in STATIC_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(database, table))


def _inventory_flags() -> list[dict[str, object]]:
    text = (resources.files("killreport_assets.ingest") / "data" / "inventory_flags.json").read_text()
    rows: list[dict[str, object]] = json.loads(text)
    return rows

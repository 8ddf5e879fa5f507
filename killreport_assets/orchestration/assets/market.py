"""The assets raw/market_history, a partition for each UTC day, and raw/market_prices: what killmails are valued by."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.ingest.archives import changed_days
from killreport_assets.orchestration.assets.external import ESI, EVEREF_MARKET_HISTORY
from killreport_assets.orchestration.metadata import Metadata, asset_key, table_metadata, table_spec
from killreport_assets.settings import load_settings
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.store.market import THE_FORGE, write_market_day, write_market_prices
from killreport_assets.store.schema.statistics import market_history as market_history_table
from killreport_assets.store.schema.statistics import market_prices as market_prices_table
from killreport_assets.store.versions import read_versions, write_version

SOURCE = "everef_market_history"
ESI_PRICES = "esi_market_prices"
DAYS = dg.DailyPartitionsDefinition(start_date="2003-10-01", timezone="UTC")
"""EVE Ref's market history begins with this day."""


class MarketHistoryConfig(dg.Config):
    """Which days, when no partitions are chosen."""

    newest_days: int = Field(7, ge=0, description="so many of the newest days that there are; 0: every day there is")


@dg.multi_asset(
    name="market_history",
    specs=[table_spec(market_history_table, "market", [EVEREF_MARKET_HISTORY], partitions_def=DAYS)],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def market_history(
    context: dg.AssetExecutionContext,
    config: MarketHistoryConfig,
    database: dg.ResourceParam[Engine],
    everef_market: dg.ResourceParam[MarketHistory],
) -> Iterator[dg.MaterializeResult[None]]:
    """Read the days' market history of The Forge and of KILLREPORT_MARKET_REGIONS, where it changed."""
    regions = {THE_FORGE, *load_settings().data.market_regions}
    chosen = [date.fromisoformat(day) for day in context.partition_keys] if _has_partitions(context) else None
    wanted = chosen if chosen is not None else _newest(everef_market.totals(), config.newest_days)
    # What was read for fewer regions is read anew.
    source = f"{SOURCE}:{','.join(map(str, sorted(regions)))}"
    metadata: dict[str, int] = {"days asked for": len(wanted), "days read": 0, "rows": 0, "changed": 0, "rejected": 0}
    failed = []
    for day in changed_days(database, everef_market, wanted, source):
        try:
            read = everef_market.read(day, regions)
        except Gone:
            failed.append(f"{day}: there is no file of this day (yet)")
            continue
        except ServiceError as error:
            failed.append(f"{day}: {error}")
            continue
        changed = write_market_day(database, day, list(read.rows.values()))
        with database.begin() as connection:
            write_version(connection, source, f"{day}", read.etag)
        counts = {"days read": 1, "rows": len(read.rows), "changed": changed, "rejected": read.rejected}
        metadata |= {name: metadata[name] + count for name, count in counts.items()}
        if chosen is None:  # else each chosen partition is said to be there by Dagster itself
            of_day: Metadata = {name: count for name, count in counts.items() if name != "days read"}
            key = asset_key(market_history_table)
            context.log_event(dg.AssetMaterialization(key, metadata=of_day, partition=f"{day}"))
    shown: Metadata = {**metadata}
    if failed:
        raise dg.Failure("; ".join(failed[:5]), metadata=shown)
    yield dg.MaterializeResult(
        asset_key(market_history_table),
        metadata=shown | table_metadata(database, market_history_table),
    )


def _has_partitions(context: dg.AssetExecutionContext) -> bool:
    return bool(context.has_partition_key or context.has_partition_key_range)


def _newest(totals: dict[date, int], newest_days: int) -> list[date]:
    return sorted(totals)[-newest_days:] if newest_days else sorted(totals)


@dg.multi_asset(name="market_prices", specs=[table_spec(market_prices_table, "market", [ESI])])
def market_prices(
    database: dg.ResourceParam[Engine], esi: dg.ResourceParam[EsiClient]
) -> Iterator[dg.MaterializeResult[None]]:
    """Note ESI's prices as observed today, unless it has nothing newer; what was observed on other days stays."""
    now = datetime.now(UTC)
    with database.connect() as connection:
        fresh_until = read_versions(connection, ESI_PRICES).get("fresh until")
    metadata: Metadata = {"prices": 0, "changed": 0}
    if fresh_until is None or datetime.fromisoformat(fresh_until) <= now:
        prices, fresh_for = esi.market_prices()
        changed = write_market_prices(database, now.date(), [price.model_dump() for price in prices])
        with database.begin() as connection:
            write_version(connection, ESI_PRICES, "fresh until", (now + fresh_for).isoformat())
        metadata = {"prices": len(prices), "changed": changed}
    yield dg.MaterializeResult(
        asset_key(market_prices_table),
        metadata=metadata | table_metadata(database, market_prices_table),
    )


MARKET_ASSETS = [market_history, market_prices]

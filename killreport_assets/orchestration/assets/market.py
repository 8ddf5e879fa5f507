"""The assets raw/market_history, partitioned by UTC day, and raw/market_prices: the prices that value killmails."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.ingest.market import DayFacts, MarketHistoryLoader, MarketPricesLoader
from killreport_assets.orchestration.assets.external import ESI, EVEREF_MARKET_HISTORY
from killreport_assets.orchestration.metadata import (
    asset_key,
    load_metadata,
    stop_when_incomplete,
    table_metadata,
    table_spec,
)
from killreport_assets.orchestration.partitions import selected_days
from killreport_assets.settings import Settings
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.store.schema import statistics

FIRST_MARKET_DAY = "2003-10-01"
"""The first day of EVE Ref's market history."""
MARKET_DAYS = dg.DailyPartitionsDefinition(start_date=FIRST_MARKET_DAY, timezone="UTC")


class MarketHistoryConfig(dg.Config):
    """The days to load when no partitions are selected."""

    newest_days: int = Field(7, ge=0, description="number of newest available days; 0: every available day")


@dg.multi_asset(
    name="market_history",
    specs=[table_spec(statistics.market_history, "market", [EVEREF_MARKET_HISTORY.key], partitions_def=MARKET_DAYS)],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def market_history(
    context: dg.AssetExecutionContext,
    config: MarketHistoryConfig,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
    everef_market: dg.ResourceParam[MarketHistory],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load the changed market history of The Forge and of KILLREPORT_MARKET_REGIONS."""
    key = asset_key(statistics.market_history)
    selected = selected_days(context)

    def materialize(day: date, facts: DayFacts) -> None:
        if selected is None:  # otherwise Dagster itself materializes each selected partition
            context.log_event(dg.AssetMaterialization(key, metadata={**facts}, partition=f"{day}"))

    regions = settings.data.market_regions
    loader = MarketHistoryLoader(everef_market, regions, selected, config.newest_days, materialize)
    metadata = load_metadata(loader.load(database))
    stop_when_incomplete(metadata)
    yield dg.MaterializeResult(key, metadata=metadata | table_metadata(database, statistics.market_history))


@dg.multi_asset(name="market_prices", specs=[table_spec(statistics.market_prices, "market", [ESI.key])])
def market_prices(
    database: dg.ResourceParam[Engine], esi: dg.ResourceParam[EsiClient]
) -> Iterator[dg.MaterializeResult[None]]:
    """Store ESI's prices as observed today, unless ESI has nothing newer; prices observed on other days stay."""
    metadata = load_metadata(MarketPricesLoader(esi).load(database))
    yield dg.MaterializeResult(
        asset_key(statistics.market_prices),
        metadata=metadata | table_metadata(database, statistics.market_prices),
    )


MARKET_ASSETS = [market_history, market_prices]

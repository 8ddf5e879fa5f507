"""Loading prices: EVE Ref's daily market history, and ESI's prices of the day."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Throttled
from killreport_assets.ingest.daily_files import days_to_read, newest_days, read_days
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.models.ids import THE_FORGE
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.store.market import write_market_day, write_market_prices
from killreport_assets.store.versions import read_versions, write_version

HISTORY_SOURCE = "everef_market_history"
PRICES_SOURCE = "esi_market_prices"
DayFacts = dict[str, int | str]


@dataclass(frozen=True)
class MarketHistoryLoader:
    """Loads the market history of these days, or of the newest, that changed since they were read."""

    files: MarketHistory
    regions: Sequence[int]
    """Regions to keep besides The Forge."""
    days: Sequence[date] | None = None
    newest_days: int = 7
    """Without `days`: the number of newest available days; 0: every available day."""
    on_day: Callable[[date, DayFacts], None] = lambda _day, _facts: None
    """Called after each day with its counts."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the days one after another; a day that fails does not affect the others."""
        regions = {THE_FORGE, *self.regions}
        # Days that were read for fewer regions are read again.
        source = f"{HISTORY_SOURCE}:{','.join(map(str, sorted(regions)))}"
        wanted = self.days if self.days is not None else newest_days(self.files.totals(), self.newest_days)
        totals = {"rows": 0, "changed": 0, "rejected": 0}

        def read_day(day: date) -> None:
            read = self.files.read(day, regions)
            changed = write_market_day(engine, day, list(read.rows.values()))
            with writing(engine) as connection:
                write_version(connection, source, f"{day}", read.etag)
            counts = {"rows": len(read.rows), "changed": changed, "rejected": read.rejected}
            for name, count in counts.items():
                totals[name] += count
            self.on_day(day, {**counts})

        count, problems = read_days(days_to_read(engine, self.files, wanted, source), read_day)
        return LoadReport({"days asked for": len(wanted), "days read": count, **totals}, problems)


@dataclass(frozen=True)
class MarketPricesLoader:
    """Stores ESI's prices as observed today, unless ESI has nothing newer; prices observed on other days stay."""

    esi: EsiClient

    def load(self, engine: Engine) -> LoadReport:
        """Store the prices.

        Raises:
            Unavailable, Refused: ESI does not answer; nothing is changed.
        """
        now = datetime.now(UTC)
        with engine.connect() as connection:
            fresh_until = read_versions(connection, PRICES_SOURCE).get("fresh until")
        if fresh_until is not None and datetime.fromisoformat(fresh_until) > now:
            return LoadReport({"prices": 0, "changed": 0})
        try:
            prices, fresh_for = self.esi.market_prices()
        except Throttled as throttled:
            return LoadReport({"prices": 0, "changed": 0}, waiting=str(throttled))
        changed = write_market_prices(engine, now.date(), [price.model_dump() for price in prices])
        with writing(engine) as connection:
            write_version(connection, PRICES_SOURCE, "fresh until", (now + fresh_for).isoformat())
        return LoadReport({"prices": len(prices), "changed": changed})

"""An outage of ESI as one process sees it."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

from killreport_assets.esi.outage import Outage
from killreport_assets.http.errors import Throttled
from killreport_assets_testing.waiting import wait_until


def test_an_outage_ends_in_time_whatever_the_difference_of_the_clocks() -> None:
    """The end of a pause is PostgreSQL's time, and this machine's clock is an hour behind."""
    looks: list[datetime] = []

    def is_up() -> bool:
        looks.append(datetime.now(UTC))
        return False

    outage = Outage(None, 0.1, is_up, lambda seconds, _: datetime.now(UTC) + timedelta(hours=1, seconds=seconds))

    def has_looked_again() -> bool:
        with suppress(Throttled):
            outage.failed()
        return len(looks) > 1

    wait_until(has_looked_again, seconds=30)

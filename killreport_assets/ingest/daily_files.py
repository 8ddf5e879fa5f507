"""EVE Ref's collections of a file a day: which of them to read, and reading them one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, timedelta

from sqlalchemy.engine import Engine

from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.sources.everef import EveRefFiles
from killreport_assets.store.versions import read_versions


def days_to_read(engine: Engine, files: EveRefFiles, days: Iterable[date], source: str) -> Iterator[date]:
    """Those of the days whose file is not, or may not be, the one that was read last; newest first."""
    with engine.connect() as connection:
        read = read_versions(connection, source)
    for day in sorted(days, reverse=True):
        try:
            known = read.get(f"{day}")
            if known is None or known != files.etag(day):
                yield day
        except ServiceError:
            yield day  # opening it says what is wrong


def read_days(days: Iterable[date], read_day: Callable[[date], None]) -> tuple[int, list[str]]:
    """Read each day; returns how many were read, and what was wrong with the others."""
    count, problems = 0, []
    for day in days:
        try:
            read_day(day)
            count += 1
        except Gone:
            problems.append(f"{day}: there is no file of this day (yet)")
        except ServiceError as error:
            problems.append(f"{day}: {error}")
    return count, problems


def newest_days(totals: Mapping[date, int], count: int) -> list[date]:
    """The newest days that there are; all with 0."""
    return sorted(totals)[-count:] if count else sorted(totals)


def last_calendar_days(totals: Mapping[date, int], count: int) -> list[date]:
    """The days up to the newest that there is; all with 0. A file that is missing in between is asked for too."""
    if not count or not totals:
        return sorted(totals)
    return [max(totals) - timedelta(days=back) for back in range(count)]

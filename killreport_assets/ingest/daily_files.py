"""EVE Ref's daily files: which of them to read, and reading them one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date

from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.sources.everef import EveRefFiles
from killreport_assets.store.versions import read_versions


def days_to_read(engine: Engine, files: EveRefFiles, days: Iterable[date], source: str) -> Iterator[date]:
    """Yield the days whose file has changed, or may have changed, since it was last read; newest first."""
    with engine.connect() as connection:
        read = read_versions(connection, source)
    for day in sorted(days, reverse=True):
        try:
            known = read.get(f"{day}")
            if known is None or known != files.etag(day):
                yield day
        except ServiceError:
            yield day  # opening it reports the problem


def read_days(days: Iterable[date], read_day: Callable[[date], None]) -> tuple[int, list[str]]:
    """Read each day; returns how many were read, and the problems of the others."""
    count, problems = 0, []
    for day in days:
        if is_stopping():
            break
        try:
            read_day(day)
            count += 1
        except Gone:
            problems.append(f"{day}: there is no file of this day (yet)")
        except ServiceError as error:
            problems.append(f"{day}: {error}")
    return count, problems


def newest_days(totals: Mapping[date, int], count: int) -> list[date]:
    """Return the newest available days; all with a count of 0."""
    return sorted(totals)[-count:] if count else sorted(totals)

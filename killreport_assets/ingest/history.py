"""Loading days of EVE's history from EVE Ref's archives: which days, several at once, each as a whole.

A day that is unchanged is not read again. What lists of other services name and no archive has is in
history_repairs.py; reading and writing an archive's members is in sources/ and store/.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice

from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.ingest.daily_files import newest_days
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.sources.downloads import RemoteFile
from killreport_assets.sources.everef import EveRef, read_member
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.history import (
    HistoryDay,
    count_stored,
    finish_day,
    history_days,
    mark_incomplete,
    record_totals,
)
from killreport_assets.store.killmails import WriteReport

ARCHIVE_SOURCE = "everef"
CHUNK = 1_000
"""Killmails that are decoded and written together: a few megabytes in memory."""
AT_ONCE = 2
"""Days that are loaded at once, and so downloads: unpacking one day takes as long as writing another."""
NOT_YET = timedelta(days=3)
"""An archive may appear so long after its day."""


@dataclass(frozen=True)
class DayReport:
    """What loading a day came to: the day as it is now, and what was written; `problem` if it could not be loaded."""

    day: date
    written: WriteReport
    is_read: bool = False
    """Whether its archive was read: it is new, or another than the one before."""
    doubtful: int = 0
    """Members that did not go the fast way."""
    problem: str | None = None


class Interrupted(Exception):
    """The process is to stop; the day is loaded the next time."""


@dataclass(frozen=True)
class HistoryLoader:
    """Loads the archives of these days, or of the newest, that changed since they were read."""

    everef: EveRef
    days: Sequence[date] | None = None
    """In this order; those that are not due according to EVE Ref's totals are only looked at, not read."""
    newest_days: int = 1
    """Without `days`: the number of newest days; 0: every available day."""
    look_at_all: bool = True
    """Whether to ask for the version of days that have all that the totals list, too."""
    on_day: Callable[[DayReport], None] = lambda _report: None
    """Called after each day, in this thread."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the days, `AT_ONCE` at a time; a day that fails does not affect the others.

        Raises:
            Unavailable: EVE Ref's totals cannot be read.
        """
        totals = self.everef.totals()
        with writing(engine) as connection:
            record_totals(connection, "everef", totals)
        days = newest_days(totals, self.newest_days)[::-1] if self.days is None else self.days
        written, problems, read, doubtful = WriteReport(), [], 0, 0
        for report in self._reports(engine, self._wanted(engine, days)):
            written.add(report.written)
            read += report.is_read
            doubtful += report.doubtful
            problems += [f"{report.day}: {report.problem}"] if report.problem is not None else []
            self.on_day(report)
        facts = written_facts(written) | {"days asked for": len(days), "days read": read}
        return LoadReport(facts | ({"written one by one": doubtful} if doubtful else {}), problems)

    def _wanted(self, engine: Engine, days: Sequence[date]) -> list[date]:
        """The days to look at; counted again where the last count does not show that everything is there."""
        if self.look_at_all or not days:
            return list(days)
        with writing(engine) as connection:
            known = history_days(connection, min(days), max(days))
            count_stored(connection, [day for day in days if day in known and known[day].is_due])
            known = history_days(connection, min(days), max(days))
        return [day for day in days if day not in known or known[day].is_due]

    def _reports(self, engine: Engine, days: Sequence[date]) -> Iterator[DayReport]:
        waiting: set[Future[DayReport]] = set()
        left = iter(days)
        with ThreadPoolExecutor(AT_ONCE, "history") as pool:
            while True:
                if not is_stopping():
                    waiting |= {
                        pool.submit(load_day, engine, self.everef, day) for day in islice(left, AT_ONCE - len(waiting))
                    }
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for ended in done:
                    with suppress(Interrupted):
                        yield ended.result()


def load_day(engine: Engine, everef: EveRef, day: date) -> DayReport:
    """Load a day's archive, unless it is the one that was loaded last; what cannot be read is a problem of the report.

    Raises:
        Interrupted: the process is to stop.
    """
    with engine.connect() as connection:
        known = history_days(connection, day, day).get(day)
    try:
        remote = everef.look(day)
        if known is not None and remote.etag and known.etag == remote.etag:
            return _unchanged(engine, known)
        return _read(engine, everef, day, remote)
    except Gone:
        if datetime.now(UTC).date() - day < NOT_YET and known is not None:
            return DayReport(day, WriteReport())
        return DayReport(day, WriteReport(), problem=_failed(engine, day, "there is no archive of this day (yet)"))
    except ServiceError as error:
        return DayReport(day, WriteReport(), problem=_failed(engine, day, str(error)))


def _failed(engine: Engine, day: date, reason: str) -> str:
    with writing(engine) as connection:
        mark_incomplete(connection, day, reason)
    return reason


def _unchanged(engine: Engine, known: HistoryDay) -> DayReport:
    day = known.killmail_date
    if known.is_due:
        with writing(engine) as connection:
            count_stored(connection, [day])
    return DayReport(day, WriteReport())


def _read(engine: Engine, everef: EveRef, day: date, remote: RemoteFile) -> DayReport:
    archive = everef.fetch(remote)
    problem = None
    with ArchiveWriter(engine, ARCHIVE_SOURCE, read_member) as writer:
        try:
            for chunk in _chunks(everef.members(archive)):
                if is_stopping():
                    raise Interrupted
                writer.write(chunk)
        except ServiceError as broken:
            problem = str(broken)
    report = writer.report
    with writing(engine) as connection:
        finish_day(
            connection,
            day,
            remote.etag,
            archive.stat().st_size,
            new=len(report.stored),
            rejected=len(report.rejected),
            problem=problem,
        )
    return DayReport(day, report, is_read=True, doubtful=writer.doubtful, problem=problem)


def _chunks(members: Iterator[bytes]) -> Iterator[list[bytes]]:
    """Cut members into chunks; those before an archive breaks off are not lost with it."""
    chunk: list[bytes] = []
    broken: ServiceError | None = None
    try:
        for member in members:
            chunk.append(member)
            if len(chunk) == CHUNK:
                yield chunk
                chunk = []
    except ServiceError as error:
        broken = error
    if chunk:
        yield chunk
    if broken is not None:
        raise broken

"""Loading days of EVE's history from EVE Ref's archives: which days, several at once, each as a whole.

A day that is unchanged is not read again. What lists of other services name and no archive has is in
history_repairs.py; reading and writing an archive's members is in sources/ and store/.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from threading import BoundedSemaphore

from sqlalchemy.engine import URL, Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.ingest.daily_files import newest_days
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRef, read_member
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.history import (
    HistoryDay,
    count_stored,
    finish_day,
    grown_days,
    history_days,
    mark_incomplete,
    record_totals,
)
from killreport_assets.store.killmails import WriteReport

ARCHIVE_SOURCE = "everef"
CHUNK = 2_500
"""Killmails that are decoded and written together: some ten megabytes in memory."""
AT_ONCE = 2
"""Archives that are unpacked and written at once, each in a process of its own."""
DOWNLOADS = 2
"""Archives that are downloaded at once: EVE Ref asks for no more."""
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


@dataclass(frozen=True)
class HistoryLoader:
    """Loads the archives of these days, or of the newest, that changed since they were read."""

    everef: EveRef
    days: Sequence[date] | None = None
    """In this order; those that are not due according to EVE Ref's totals are only looked at, not read."""
    newest_days: int = 1
    """Without `days`: the number of newest days; 0: every available day."""
    with_grown: bool = False
    """Without `days`: whether loaded days of which EVE Ref's totals have more by now are added."""
    look_at_all: bool = True
    """Whether to ask for the version of days that have all that the totals list, too."""
    on_begin: Callable[[int], None] = lambda _days: None
    """Called with the number of days to look at."""
    on_day: Callable[[DayReport], None] = lambda _report: None
    """Called after each day, in this thread."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the days, several at once; a day that fails does not affect the others.

        Raises:
            Unavailable: EVE Ref's totals cannot be read.
        """
        totals = self.everef.totals()
        with writing(engine) as connection:
            record_totals(connection, "everef", totals)
        days = self._chosen(engine, totals)
        wanted = self._wanted(engine, totals, days)
        self.on_begin(len(wanted))
        counts, problems, read, doubtful = Counter[str](), [], 0, 0
        for report in self._reports(engine, wanted):
            counts.update({name: int(count) for name, count in written_facts(report.written).items()})
            read += report.is_read
            doubtful += report.doubtful
            problems += [f"{report.day}: {report.problem}"] if report.problem is not None else []
            self.on_day(report)
        facts = written_facts(WriteReport()) | counts | {"days asked for": len(days), "days read": read}
        return LoadReport(facts | ({"written one by one": doubtful} if doubtful else {}), problems)

    def _chosen(self, engine: Engine, totals: Mapping[date, int]) -> Sequence[date]:
        if self.days is not None:
            return self.days
        newest = newest_days(totals, self.newest_days)[::-1]
        if not self.with_grown:
            return newest
        with engine.connect() as connection:
            return list(dict.fromkeys([*newest, *grown_days(connection)]))

    def _wanted(self, engine: Engine, totals: Mapping[date, int], days: Sequence[date]) -> list[date]:
        """The days to look at; counted again where the last count does not show that everything is there."""
        if self.look_at_all or not days:
            return list(days)
        with writing(engine) as connection:
            known = history_days(connection, min(days), max(days))
            count_stored(connection, [day for day, one in known.items() if one.etag is not None and one.is_due])
            known = history_days(connection, min(days), max(days))
        return [day for day in days if day in totals and (day not in known or known[day].is_due)]

    def _reports(self, engine: Engine, days: Sequence[date]) -> Iterator[DayReport]:
        left, waiting = iter(days), set[Future[DayReport]]()
        archives = _processes() if len(days) > 1 else ThreadPoolExecutor(1, "archive")
        threads = ThreadPoolExecutor(AT_ONCE + DOWNLOADS, "day")
        try:
            loader = DayLoader(engine, self.everef, archives)
            while True:
                if not is_stopping():
                    new = islice(left, AT_ONCE + DOWNLOADS - len(waiting))
                    waiting |= {threads.submit(loader.load, day) for day in new}
                if not waiting:
                    return
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (ended.result() for ended in done)
        finally:
            # A day that has begun is finished, which takes seconds, or broken off by another signal: then it is undone.
            threads.shutdown(cancel_futures=True)
            archives.shutdown(cancel_futures=True)


def _processes() -> Executor:
    # Threads would wait for each other: unpacking and decoding keep Python busy.
    return ProcessPoolExecutor(AT_ONCE, get_context("spawn"), _finish_what_is_begun)


def _finish_what_is_begun() -> None:
    """Ctrl-C goes to every process of a terminal: the one that shares out the days decides."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class DayLoader:
    """Loads single days: their archives are looked at and downloaded here, and written by `archives`."""

    engine: Engine
    everef: EveRef
    archives: Executor
    downloads: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(DOWNLOADS))

    def load(self, day: date) -> DayReport:
        """Load a day's archive, unless it was the last one loaded; what cannot be read is a problem of the report."""
        with self.engine.connect() as connection:
            known = history_days(connection, day, day).get(day)
        try:
            remote = self.everef.look(day)
            if known is not None and remote.etag and known.etag == remote.etag:
                return self._unchanged(known)
            with self.downloads:
                archive = self.everef.fetch(remote)
        except Gone:
            if datetime.now(UTC).date() - day < NOT_YET:
                return DayReport(day, WriteReport())
            return self._failed(day, "there is no archive of this day (yet)")
        except ServiceError as error:
            return self._failed(day, str(error))
        try:
            loading = self.archives.submit(
                load_archive, self.everef.settings, self.engine.url, day, remote.etag, archive
            )
            return loading.result()
        finally:
            self.everef.release(archive)

    def _unchanged(self, known: HistoryDay) -> DayReport:
        if known.is_due:
            with writing(self.engine) as connection:
                count_stored(connection, [known.killmail_date])
        return DayReport(known.killmail_date, WriteReport())

    def _failed(self, day: date, reason: str) -> DayReport:
        with writing(self.engine) as connection:
            mark_incomplete(connection, day, reason)
        return DayReport(day, WriteReport(), problem=reason)


def load_archive(settings: Settings, database: URL, day: date, etag: str, archive: Path) -> DayReport:
    """Write the members of a downloaded archive, in whatever process this is; a broken one as far as it can be read."""
    engine = make_engine(database, pool_size=2)
    everef = EveRef(settings)
    problem, size = None, archive.stat().st_size
    try:
        with ArchiveWriter(engine, ARCHIVE_SOURCE, read_member) as writer:
            try:
                for chunk in _chunks(everef.members(archive)):
                    writer.write(chunk)
            except ServiceError as broken:
                problem = str(broken)
        stored, rejected = len(writer.report.stored), len(writer.report.rejected)
        with writing(engine) as connection:
            finish_day(connection, day, etag, size, new=stored, rejected=rejected, problem=problem)
    finally:
        everef.close()
        engine.dispose()
    return DayReport(day, writer.report, is_read=True, doubtful=writer.doubtful, problem=problem)


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

"""Loading days of EVE's history from EVE Ref's archives: which days, several at once, each as a whole.

A day that is unchanged is not read again. What lists of other services name and no archive has is in
history_repairs.py; reading and writing an archive's members is in sources/ and store/.
"""

from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from threading import BoundedSemaphore

from sqlalchemy.engine import Engine

from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.ingest.archive_process import ArchiveProcesses
from killreport_assets.ingest.archives import DayReport
from killreport_assets.ingest.daily_files import newest_days
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.sources.everef import EveRef
from killreport_assets.store.history import (
    HistoryDay,
    count_stored,
    grown_days,
    history_days,
    mark_incomplete,
    record_totals,
)
from killreport_assets.store.killmails import WriteReport

AT_ONCE = 2
"""Archives that are unpacked and written at once, each in a process of its own."""
DOWNLOADS = 2
"""Archives that are downloaded at once: EVE Ref asks for no more."""
NOT_YET = timedelta(days=3)
"""An archive may appear so long after its day."""


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
        with closing(self._reports(engine, wanted)) as reports:
            for report in reports:
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

    def _reports(self, engine: Engine, days: Sequence[date]) -> Generator[DayReport]:
        left, waiting = iter(days), set[Future[DayReport]]()
        threads = ThreadPoolExecutor(AT_ONCE + DOWNLOADS, "day")
        with ArchiveProcesses(AT_ONCE if len(days) > 1 else 0) as processes:
            loader = DayLoader(engine, self.everef, processes)
            try:
                while True:
                    if not is_stopping():
                        new = islice(left, AT_ONCE + DOWNLOADS - len(waiting))
                        waiting |= {threads.submit(loader.load, day) for day in new}
                    if not waiting:
                        return
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (ended.result() for ended in done)
            except BaseException:
                self.everef.interrupt()
                processes.terminate()
                raise
            finally:
                threads.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class DayLoader:
    """Loads single days: looks at their archives, downloads them, and lets them be written."""

    engine: Engine
    everef: EveRef
    processes: ArchiveProcesses
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
            return self.processes.write(self.everef.settings, self.engine.url, day, remote.etag, archive)
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

"""Loading EVE Ref's killmail archives: a day in chunks, marked as read only when the whole day is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.ingest.daily_files import days_to_read, newest_days, read_days
from killreport_assets.ingest.loader import LoadReport, written_facts
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sources.everef import EveRef
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.versions import write_version

ARCHIVE_SOURCE = "everef"
CHUNK = 500
"""Killmails in one transaction: a few megabytes in memory."""


@dataclass(frozen=True)
class ArchiveLoader:
    """Loads the archives of these days, or of the newest, that changed since they were read."""

    everef: EveRef
    days: Sequence[date] = ()
    newest_days: int = 1
    """Without `days`: the number of newest days; 0: every available day."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the days one after another; a day that fails does not affect the others."""
        wanted = list(self.days) or newest_days(self.everef.totals(), self.newest_days)
        written = WriteReport()
        changed = days_to_read(engine, self.everef, wanted, ARCHIVE_SOURCE)
        read, problems = read_days(changed, lambda day: written.add(write_archive(engine, self.everef, day)))
        facts = written_facts(written) | {"days asked for": len(wanted), "days read": read}
        return LoadReport(facts, problems)


def write_archive(engine: Engine, everef: EveRef, day: date) -> WriteReport:
    """Store a day's killmails.

    Raises:
        Gone: there is no archive of this day.
        Unavailable, TooLarge: it breaks off, or is too large; what came before is stored, and the day is read again.
    """
    report = WriteReport()
    with everef.open(day) as archive:
        while chunk := list[KillmailBody](islice(archive.bodies, CHUNK)):
            report.add(write_killmails(engine, chunk, "everef"))
    with writing(engine) as connection:
        write_version(connection, ARCHIVE_SOURCE, f"{day}", archive.etag)
    return report

"""Writing one downloaded archive: its members into the tables, and what came of its day into `ops.history_days`.

In whatever process: archive_process.py runs it in another one. Which days, and where archives come from: history.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from sqlalchemy.engine import URL

from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import writing
from killreport_assets.http.errors import ServiceError
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import read_member
from killreport_assets.sources.tar_members import tar_members
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.history import finish_day
from killreport_assets.store.killmails import WriteReport

ARCHIVE_SOURCE = "everef"
CHUNK = 2_500
"""Killmails that are decoded and written together: some ten megabytes in memory."""


@dataclass(frozen=True)
class DayReport:
    """What loading a day came to: what was written, and the `problem` if it could not be loaded as a whole."""

    day: date
    written: WriteReport
    is_read: bool = False
    """Whether its archive was read: it is new, or another than the one before."""
    doubtful: int = 0
    """Members that did not go the fast way."""
    problem: str | None = None


def write_archive(settings: Settings, database: URL, day: date, etag: str, archive: Path) -> DayReport:
    """Write the members of a downloaded archive, in whatever process this is; a broken one as far as it can be read."""
    engine = make_engine(database, pool_size=2)
    problem, size = None, archive.stat().st_size
    try:
        with ArchiveWriter(engine, ARCHIVE_SOURCE, read_member) as writer:
            try:
                for chunk in _chunks(tar_members(archive, settings)):
                    writer.write(chunk)
            except ServiceError as broken:
                problem = str(broken)
        stored, rejected = len(writer.report.stored), len(writer.report.rejected)
        with writing(engine) as connection:
            finish_day(connection, day, etag, size, new=stored, rejected=rejected, problem=problem)
    finally:
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

"""Storing a day of EVE Ref's archives: in chunks, and noted as read only when the whole day was."""

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import islice

from sqlalchemy.engine import Engine

from killreport_assets.http.errors import ServiceError
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sources.everef import EveRef, EveRefFiles
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.versions import read_versions, write_version

SOURCE = "everef"
CHUNK = 500
"""Killmails of one transaction: a few megabytes in memory."""


def changed_days(engine: Engine, everef: EveRefFiles, days: Iterable[date], source: str = SOURCE) -> Iterator[date]:
    """Those of the days whose file is not, or may not be, the one that was read last; newest first."""
    with engine.connect() as connection:
        read = read_versions(connection, source)
    for day in sorted(days, reverse=True):
        try:
            known = read.get(f"{day}")
            if known is None or known != everef.etag(day):
                yield day
        except ServiceError:
            yield day  # whoever opens it says what is wrong


def write_archive(engine: Engine, everef: EveRef, day: date) -> WriteReport:
    """Store a day's killmails.

    Raises:
        Gone: there is no archive of this day.
        Unavailable: it breaks off; what came before is stored, and the day will be read again.
    """
    archive = everef.open(day)
    report = WriteReport()
    while chunk := list[KillmailBody](islice(archive.bodies, CHUNK)):
        report.add(write_killmails(engine, chunk, "everef"))
    with engine.begin() as connection:
        write_version(connection, SOURCE, f"{day}", archive.etag)
    return report

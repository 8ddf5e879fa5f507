"""Writing the members of an archive: plain killmails that are new straight into the tables, the rest as any source's.

Chunks of killmails that are beyond doubt are copied in one transaction; lineage and changed days are recorded once, at
its end. A chunk with anything else in it goes through `write_killmails`, which judges it and keeps what it rejects.
Reading archives is in sources/, which day to load in ingest/.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.models.plain_killmail import PlainKillmail, plain_killmail
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import mark_written
from killreport_assets.store.killmail_rows import pack_killmails
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import STAGED, rows_of_this_transaction
from killreport_assets.store.schema import tables

ReadMember = Callable[[bytes], KillmailBody]
IN_RANGE = 4
"""Stored killmails between a chunk's ids that are looked at, for each one of the chunk; with more it is doubtful."""


@dataclass
class ArchiveWriter:
    """Writes an archive's members; `close`, or the end of the block, commits what was copied and not committed yet."""

    engine: Engine
    source: str
    read_member: ReadMember
    """Reads a member that is not plain."""
    report: WriteReport = field(default_factory=WriteReport)
    doubtful: int = 0
    """Members of chunks that went through `write_killmails`."""
    _stack: ExitStack = field(default_factory=ExitStack)
    _connection: Connection | None = None
    _times: list[datetime] = field(default_factory=list)
    _months: set[tuple[int, int]] = field(default_factory=set)

    def __enter__(self) -> "ArchiveWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._times = []
            self._stack.__exit__(kind, None, None)
        self.close()

    def write(self, members: Sequence[bytes]) -> None:
        """Write a chunk of members; those before it may not be committed yet."""
        killmails = self._plain(members)
        if killmails is None or not self._copy(killmails):
            self.close()
            self.doubtful += len(members)
            self.report.add(write_killmails(self.engine, map(self.read_member, members), self.source))

    def close(self) -> None:
        """Record lineage and changed days of what was copied, and commit it."""
        connection, times = self._connection, self._times
        self._connection, self._times = None, []
        with self._stack:
            if connection is not None and times:
                new = rows_of_this_transaction(min(times), max(times))
                mark_written(connection, new)
                lineage.record_mentions(connection, new)

    def _plain(self, members: Iterable[bytes]) -> list[PlainKillmail] | None:
        killmails: dict[int, PlainKillmail] = {}
        for count, member in enumerate(members, 1):
            killmail = plain_killmail(member)
            if killmail is None:
                return None
            killmails[killmail.killmail_id] = killmail
            if len(killmails) < count:
                return None
        return [killmails[killmail_id] for killmail_id in sorted(killmails)]

    def _copy(self, killmails: Sequence[PlainKillmail]) -> bool:
        """Copy killmails into the tables; False, and nothing is copied, if any of them may be stored already."""
        times = {killmail.killmail_time for killmail in killmails}
        self._ensure_months(times)
        if self._connection is None:
            self._connection = self._stack.enter_context(writing(self.engine))
        if _may_be_stored(self._connection, [killmail.killmail_id for killmail in killmails]):
            return False
        rows = pack_killmails(killmails, self.source)
        try:
            with self._connection.begin_nested():
                for table in STAGED.values():
                    rows.copy(self._connection, table.name, table.fullname)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            return False  # another process has just stored one of them
        self._times += (min(times), max(times))
        self.report.stored += [killmail.killmail_id for killmail in killmails]
        self.report.attackers += rows.attackers
        self.report.items += rows.items
        return True

    def _ensure_months(self, times: Iterable[datetime]) -> None:
        months = {(time.year, time.month): time for time in times}
        if new := {month: time for month, time in months.items() if month not in self._months}:
            ensure_months(self.engine, new.values())
            self._months |= new.keys()


def _may_be_stored(connection: Connection, ascending: Sequence[int]) -> bool:
    """Whether any of the ids is stored, on whatever day; one look-up by their range, since they grow with time."""
    column = tables.killmails.c.killmail_id
    limit = IN_RANGE * len(ascending)
    found = connection.execute(sa.select(column).where(column.between(ascending[0], ascending[-1])).limit(limit))
    stored = set(found.scalars())
    return len(stored) >= limit or not stored.isdisjoint(ascending)

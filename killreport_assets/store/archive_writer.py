"""Writing the members of an archive: plain killmails that are new straight into the tables, the rest as any source's.

Chunks of killmails that are certainly good and new are copied in one transaction; lineage and changed days are recorded
once, at its end. A chunk with anything else in it goes through `write_killmails`, which judges it, and keeps what it
rejects.
Reading archives is in sources/, which day to load in ingest/.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.models.ids import EntityKind
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.models.plain_killmail import PlainKillmail, plain_killmail
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import mark_written
from killreport_assets.store.killmail_rows import KillmailRows, pack_killmails
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import STAGED, rows_of_this_transaction
from killreport_assets.store.schema import tables

ReadMember = Callable[[bytes], KillmailBody]
SWITCH_SECONDS = 0.001
IN_RANGE = 4
"""Stored killmails between a chunk's ids that are looked at, for each one of the chunk; with more it is doubtful."""


@dataclass(frozen=True)
class _Chunk:
    """Plain killmails, each once, ready to be copied: their ids in ascending order, their times and rows."""

    ids: list[int]
    times: set[datetime]
    rows: KillmailRows


def _ready(members: Sequence[bytes], source: str) -> _Chunk | None:
    """Decode and pack members; None if they are not all plain, or an id comes twice."""
    killmails: dict[int, PlainKillmail] = {}
    for member in members:
        killmail = plain_killmail(member)
        if killmail is None:
            return None
        killmails[killmail.killmail_id] = killmail
    if len(killmails) < len(members):
        return None
    ascending = [killmails[killmail_id] for killmail_id in sorted(killmails)]
    return _Chunk(
        sorted(killmails),
        {killmail.killmail_time for killmail in ascending},
        pack_killmails(ascending, source),
    )


def _no_mentions() -> dict[EntityKind, set[int]]:
    return {kind: set() for kind in EntityKind}


@dataclass
class ArchiveWriter:
    """Writes an archive's members; `close`, or the end of the block, commits what was copied and not committed yet.

    While one chunk is copied, the next one is decoded.
    """

    engine: Engine
    source: str
    read_member: ReadMember
    """Reads a member that is not plain."""
    report: WriteReport = field(default_factory=WriteReport)
    doubtful: int = 0
    """Members of chunks that went through `write_killmails`."""
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "copy"))
    _copying: tuple[Sequence[bytes], _Chunk, Future[bool]] | None = None
    _transaction: ExitStack = field(default_factory=ExitStack)
    _connection: Connection | None = None
    _times: set[datetime] = field(default_factory=set)
    _mentioned: dict[EntityKind, set[int]] = field(default_factory=_no_mentions)
    _months: set[tuple[int, int]] = field(default_factory=set)

    def __enter__(self) -> "ArchiveWriter":
        # The copying thread has little to do, often: each time it would wait 5 ms for the one that decodes.
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._thread:
            if kind is None:
                self.close()
        self._transaction.__exit__(kind, None, None)

    def write(self, members: Sequence[bytes]) -> None:
        """Write a chunk of members; those before it may not be committed yet."""
        chunk = _ready(members, self.source)
        self._finish_copying()
        if chunk is None:
            self._write_one_by_one(members)
        else:
            self._copying = members, chunk, self._thread.submit(self._copy, chunk)

    def close(self) -> None:
        """Record lineage and changed days of what was copied, and commit it."""
        self._finish_copying()
        connection, times, mentioned = self._connection, self._times, self._mentioned
        self._connection, self._times, self._mentioned = None, set(), _no_mentions()
        with self._transaction:
            if connection is not None and times:
                new = rows_of_this_transaction(min(times), max(times))
                mark_written(connection, new)
                lineage.record_mentions(connection, mentioned, new)

    def _finish_copying(self) -> None:
        """Wait for the chunk that is being copied; if it was not, it goes through `write_killmails`."""
        if self._copying is None:
            return
        members, chunk, copying = self._copying
        self._copying = None
        if not copying.result():
            self._write_one_by_one(members)
            return
        self.report.stored += chunk.ids
        self.report.attackers += chunk.rows.attackers
        self.report.items += chunk.rows.items
        self._times |= chunk.times
        for kind, ids in chunk.rows.mentioned.items():
            self._mentioned[kind] |= ids

    def _write_one_by_one(self, members: Sequence[bytes]) -> None:
        self.close()  # a transaction of its own would wait for what this one has copied
        self.doubtful += len(members)
        self.report.add(write_killmails(self.engine, map(self.read_member, members), self.source))

    def _copy(self, chunk: _Chunk) -> bool:
        """Copy killmails into the tables; False, and nothing is copied, if any of them may be stored already."""
        self._ensure_months(chunk.times)
        if self._connection is None:
            self._connection = self._transaction.enter_context(writing(self.engine))
        if _may_be_stored(self._connection, chunk.ids):
            return False
        try:
            with self._connection.begin_nested():
                for table in STAGED.values():
                    chunk.rows.copy(self._connection, table.name, table.fullname)
        except (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected):
            return False  # another process has just stored one of them
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

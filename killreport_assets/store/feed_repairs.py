"""What a feed still owes: gaps (`ops.feed_gaps`) and entries that cannot be read (`ops.feed_failures`).

The cursor has passed both. ingest/feed.py requests them; nothing here does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema import tables

FIRST_DELAY, MAX_DELAY = timedelta(seconds=15), timedelta(hours=1)
"""Before the second try of an entry; it doubles from try to try up to the maximum."""
OWED_AFTER = timedelta(minutes=2)
"""An entry that has failed for so long needs attention."""


@dataclass(frozen=True)
class Gap:
    """A range of missing entries, of which those up to `next_sequence` were not requested yet."""

    first_sequence: int
    last_sequence: int
    next_sequence: int


@dataclass(frozen=True)
class Failure:
    """An entry that cannot be read."""

    sequence: int
    first_failed_at: datetime
    tries: int
    reason: str

    def is_lasting(self, now: datetime) -> bool:
        """Whether it needs attention: it has failed for minutes."""
        return now - self.first_failed_at >= OWED_AFTER


def add_gap(connection: Connection, feed: str, first: int, last: int, next_sequence: int | None = None) -> None:
    """Record missing entries; `next_sequence` is the newest of them that was not requested."""
    statement = insert(tables.feed_gaps).values(
        feed=feed, first_sequence=first, last_sequence=last, next_sequence=next_sequence
    )
    new = statement.excluded
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["feed", "first_sequence"],
            set_={"last_sequence": new.last_sequence, "next_sequence": new.next_sequence, "found_at": sa.func.now()},
        )
    )


def newest_open_gap(connection: Connection, feed: str) -> Gap | None:
    """Return the newest gap with entries that were not requested; None if there is none."""
    table = tables.feed_gaps
    row = connection.execute(
        sa.select(table.c.first_sequence, table.c.last_sequence, table.c.next_sequence)
        .where(table.c.feed == feed, table.c.next_sequence.is_not(None))
        .order_by(table.c.last_sequence.desc())
        .limit(1)
    ).one_or_none()
    return Gap(*row) if row is not None else None


def narrow_gap(connection: Connection, feed: str, gap: Gap, found: Sequence[int], next_sequence: int) -> None:
    """Record that a gap's entries above `next_sequence` were requested, and which of them the feed has.

    The gap is split at each entry that was found, so that every row of `ops.feed_gaps` holds missing entries only.
    """
    table = tables.feed_gaps
    connection.execute(sa.delete(table).where(table.c.feed == feed, table.c.first_sequence == gap.first_sequence))
    last = gap.last_sequence
    for sequence in sorted(found, reverse=True):
        if sequence < last:
            add_gap(connection, feed, sequence + 1, last)
        last = sequence - 1
    if gap.first_sequence <= last:
        is_open = gap.first_sequence <= next_sequence
        add_gap(connection, feed, gap.first_sequence, last, min(next_sequence, last) if is_open else None)


def record_failure(connection: Connection, feed: str, sequence: int, reason: str, content: bytes | None) -> None:
    """Record a failed try of an entry, and when to try again."""
    table = tables.feed_failures
    statement = insert(table).values(
        feed=feed,
        sequence=sequence,
        reason=reason,
        content=content,
        next_try_at=sa.func.now() + FIRST_DELAY,
    )
    delay = sa.func.least(
        sa.literal(FIRST_DELAY) * sa.func.pow(2, sa.func.least(table.c.tries, 20)), sa.literal(MAX_DELAY)
    )
    changes = {
        "tries": table.c.tries + 1,
        "next_try_at": sa.func.now() + delay,
        "reason": statement.excluded.reason,
        "content": sa.func.coalesce(statement.excluded.content, table.c.content),
    }
    connection.execute(statement.on_conflict_do_update(index_elements=["feed", "sequence"], set_=changes))


def forget_failures(connection: Connection, feed: str, sequences: Sequence[int]) -> None:
    """Delete entries that could be read, or have expired."""
    table = tables.feed_failures
    connection.execute(sa.delete(table).where(table.c.feed == feed, tables.among(table.c.sequence, sequences)))


def failures(connection: Connection, feed: str, *, only_due: bool = False, before: int | None = None) -> list[Failure]:
    """Return the entries that cannot be read, oldest first; `only_due` those to try now, `before` those below it."""
    table = tables.feed_failures
    query = sa.select(table.c.sequence, table.c.first_failed_at, table.c.tries, table.c.reason)
    query = query.where(table.c.feed == feed).order_by(table.c.sequence)
    if only_due:
        query = query.where(table.c.next_try_at <= sa.func.now())
    if before is not None:
        query = query.where(table.c.sequence < before)
    return [Failure(*row) for row in connection.execute(query)]

"""The cursors of feeds: `ops.feed_cursors`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema import tables


def read_cursor(connection: Connection, feed: str) -> int | None:
    """The first entry of the feed that is not handled yet; None before the first read."""
    table = tables.feed_cursors
    return connection.execute(sa.select(table.c.next_sequence).where(table.c.feed == feed)).scalar()


def note_head(connection: Connection, feed: str, head_sequence: int) -> None:
    """Record the newest entry as the feed says it; does nothing before the cursor's first move."""
    connection.execute(
        sa.text("update ops.feed_cursors set head_sequence = :head, head_seen_at = now() where feed = :feed"),
        {"feed": feed, "head": head_sequence},
    )


def note_reading(connection: Connection, feed: str, head_sequence: int | None, failure: str | None) -> None:
    """Record the newest entry as the feed said it, None if it did not, and why the reading failed, None if not."""
    connection.execute(
        sa.text("""
        update ops.feed_cursors set
            head_sequence = coalesce(:head, head_sequence),
            head_seen_at = case when cast(:head as bigint) is null then head_seen_at else now() end,
            read_at = case when cast(:failure as text) is null then now() else read_at end,
            failure = :failure
        where feed = :feed
        """),
        {"feed": feed, "head": head_sequence, "failure": failure},
    )


def move_cursor(connection: Connection, feed: str, next_sequence: int, *, backwards: bool = False) -> None:
    """Move the cursor to `next_sequence`; all entries before it are handled.

    Never backwards, unless the feed begins its numbers again.
    """
    table = tables.feed_cursors
    statement = insert(table).values(feed=feed, next_sequence=next_sequence)
    moved = next_sequence if backwards else sa.func.greatest(table.c.next_sequence, next_sequence)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["feed"],
            set_={
                "next_sequence": moved,
                "moved_at": sa.case((table.c.next_sequence == moved, table.c.moved_at), else_=sa.func.now()),
            },
        )
    )

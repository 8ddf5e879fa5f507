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
    """Record the newest entry of the feed; does nothing before the cursor's first move."""
    connection.execute(
        sa.text("""
        update ops.feed_cursors
        set head_sequence = greatest(head_sequence, :head), head_seen_at = now() where feed = :feed
        """),
        {"feed": feed, "head": head_sequence},
    )


def move_cursor(connection: Connection, feed: str, next_sequence: int) -> None:
    """Move the cursor to `next_sequence`, never backwards; all entries before it are handled."""
    statement = insert(tables.feed_cursors).values(feed=feed, next_sequence=next_sequence)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["feed"],
            set_={
                "next_sequence": sa.func.greatest(tables.feed_cursors.c.next_sequence, next_sequence),
                "moved_at": sa.func.now(),
            },
        )
    )

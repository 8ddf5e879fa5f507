"""The platform's health in the database: coverage, feeds, budget, dead letters, syncs, runs. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.store.feed_repairs import Failure, failures
from killreport_assets.store.previews import row_count
from killreport_assets.store.schema.tables import (
    DIMENSIONS,
    killmail_attackers,
    killmail_items,
    killmails,
    rejected_killmails,
)
from killreport_assets.store.syncs import SUCCESSES


@dataclass(frozen=True)
class Coverage:
    """One kind of entity: known with a body, named only, gone, pending, dead."""

    kind: str
    known: int
    named_only: int
    gone: int
    pending: int
    dead: int


@dataclass(frozen=True)
class Feed:
    """One feed: our cursor, the newest entry as the feed said it, and what is wrong with it."""

    feed: str
    next_sequence: int
    head_sequence: int | None
    head_seen_at: datetime | None
    moved_at: datetime
    read_at: datetime | None
    """When it was last read without a failure."""
    failure: str | None
    """Why the last reading stopped early."""
    unreadable: list[Failure]
    missing: int
    """Entries that the feed did not have any more when they were requested."""
    unrequested: int
    """Entries of gaps that were not requested yet."""
    entries_behind: int | None
    """None: the feed has not said where its head is."""


@dataclass(frozen=True)
class Syncs:
    """Listings of the last hour, by source."""

    source: str
    count: int
    failed: int
    seconds_mean: float | None
    last_started_at: datetime


@dataclass(frozen=True)
class Contents:
    """Rows of the tables of killmails: exact while they are small, PostgreSQL's estimates when they are large."""

    killmails: int
    attackers: int
    items: int
    rejected: int


def contents(engine: Engine) -> Contents:
    """Count the stored rows, without reading all of them."""
    counted = (killmails, killmail_attackers, killmail_items, rejected_killmails)
    with engine.connect() as connection:
        return Contents(*(row_count(connection, table) for table in counted))


def coverage(connection: Connection) -> list[Coverage]:
    """Return the coverage of every kind of entity."""
    kinds = []
    for kind, table in DIMENSIONS.items():
        row = connection.execute(
            sa.text(f"""
            select
                (select count(*) from {table.fullname} where gone_at is null),
                (select count(*) from raw.entity_names n where n.entity_kind = :kind and n.name is not null
                    and not exists (select from {table.fullname} d where d.{kind}_id = n.entity_id)),
                (select count(*) from {table.fullname} where gone_at is not null),
                count(*) filter (where dead_at is null), count(*) filter (where dead_at is not null)
            from ops.entity_pending where entity_kind = :kind
            """),
            {"kind": kind},
        ).one()
        kinds.append(Coverage(kind, *row))
    return kinds


def feeds(connection: Connection) -> list[Feed]:
    """Return every feed that was ever followed."""
    rows = connection.execute(
        sa.text("""
        select c.feed, c.next_sequence, c.head_sequence, c.head_seen_at, c.moved_at, c.read_at, c.failure,
               coalesce(sum(last_sequence - first_sequence + 1) filter (where g.next_sequence is null), 0)::bigint
                   as missing,
               coalesce(sum(g.next_sequence - first_sequence + 1), 0)::bigint as unrequested
        from ops.feed_cursors c left join ops.feed_gaps g on g.feed = c.feed group by c.feed order by c.feed
        """)
    )
    return [
        Feed(
            row.feed,
            row.next_sequence,
            row.head_sequence,
            row.head_seen_at,
            row.moved_at,
            row.read_at,
            row.failure,
            unreadable=failures(connection, row.feed),
            missing=row.missing,
            unrequested=row.unrequested,
            entries_behind=None if row.head_sequence is None else max(0, row.head_sequence - row.next_sequence + 1),
        )
        for row in rows
    ]


def recent_syncs(connection: Connection) -> list[Syncs]:
    """Return the listings that started within the last hour, by source."""
    rows = connection.execute(
        sa.text("""
        select source, count(*), count(*) filter (where outcome <> all(:successes)), avg(seconds)::float8,
               max(started_at)
        from ops.syncs where started_at > now() - interval '1 hour' and outcome <> 'dead'
        group by source order by source
        """),
        {"successes": list(SUCCESSES)},
    )
    return [Syncs(*row) for row in rows]


def killmails_stored(connection: Connection, hours: int) -> int:
    """Count the killmails stored within the last `hours`."""
    count: int = connection.execute(
        sa.text("select count(*) from raw.killmails where stored_at > now() - make_interval(hours => :hours)"),
        {"hours": hours},
    ).scalar_one()
    return count


def dead_letters(connection: Connection) -> Mapping[str, int]:
    """Count the dead letters that were not replayed, by queue."""
    rows = connection.execute(
        sa.text("select queue, count(*) from ops.dead_letters where replayed_at is null group by queue")
    )
    return {row[0]: row[1] for row in rows}


def requests_today(connection: Connection) -> Mapping[str, tuple[int, int]]:
    """Return the requests and errors of this UTC day, by service."""
    rows = connection.execute(
        sa.text("""
        select service, sum(requests)::bigint, sum(errors)::bigint from ops.request_totals
        where day = (now() at time zone 'utc')::date group by service order by service
        """)
    )
    return {row[0]: (row[1], row[2]) for row in rows}


def built_at(connection: Connection) -> datetime | None:
    """Return when the frequent dbt models were last built; None before the first build."""
    return connection.execute(sa.text("select built_at from ops.transform_builds where cadence = 'frequent'")).scalar()

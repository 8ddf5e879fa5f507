"""The platform's health in the database: coverage, feeds, budget, dead letters, syncs, runs. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

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
    """One feed: our cursor, the newest known entry, and how far we are behind it (None: unknown)."""

    feed: str
    next_sequence: int
    head_sequence: int | None
    entries_behind: int | None
    moved_at: datetime


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
    return Contents(*(row_count(engine, table) for table in counted))


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
        select feed, next_sequence, head_sequence,
               case when head_sequence is not null then greatest(0, head_sequence - next_sequence + 1) end, moved_at
        from ops.feed_cursors order by feed
        """)
    )
    return [Feed(*row) for row in rows]


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


def last_successes(dagster: Connection) -> Mapping[str, datetime]:
    """Return when each job last succeeded, from Dagster's own database; empty while it has no tables."""
    if dagster.execute(sa.text("select to_regclass('runs')")).scalar() is None:
        return {}
    rows = dagster.execute(
        sa.text("""
        select pipeline_name, to_timestamp(max(end_time)) from runs
        where status = 'SUCCESS' and end_time is not null group by pipeline_name order by 1
        """)
    )
    return {row[0]: row[1] for row in rows}

"""The days of EVE's history (`ops.history_days`), and killmails that lists name and that are missing.

What to do about a day is decided in ingest/.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.base.times import midnight
from killreport_assets.models.ids import KILLMAIL
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import IS_UNBUILT
from killreport_assets.store.schema import tables

FIRST_DAY = date(2007, 12, 5)
"""The first day of EVE Ref's killmails."""
DayState = Literal["listed", "loaded", "incomplete"]
Lister = Literal["everef", "zkillboard"]
KNOWN_TO_EXIST = "greatest(everef_total, zkillboard_total, stored)"
"""The most killmails that a service or the platform has of a day."""
LAST_FAILURES = sa.text("""
    update ops.missing_killmails m set reason = d.error
    from ops.entity_pending p, lateral (
        select error from ops.dead_letters l
        where l.message_id = :kind || ':' || p.entity_id order by l.died_at desc limit 1
    ) d
    where p.entity_kind = :kind and p.entity_id = m.killmail_id and p.dead_at is not null
        and m.reason is distinct from d.error
""")


@dataclass(frozen=True)
class HistoryDay:
    """A day, as it is in `ops.history_days`."""

    killmail_date: date
    everef_total: int | None
    zkillboard_total: int | None
    stored: int
    rejected: int
    late: int
    etag: str | None
    bytes: int | None
    loaded_at: datetime | None
    counted_at: datetime | None
    state: DayState
    reason: str | None

    @property
    def lacks(self) -> int:
        """How many of the killmails that a service has of it are not stored."""
        return max(
            0, (self.everef_total or 0) - self.rejected - self.stored, (self.zkillboard_total or 0) - self.stored
        )

    @property
    def is_due(self) -> bool:
        """Whether its archive may have more than is stored: it was never loaded, is incomplete, or has grown."""
        return self.etag is None or self.state != "loaded" or self.stored + self.rejected < (self.everef_total or 0)


def history_days(connection: Connection, first: date, last: date) -> dict[date, HistoryDay]:
    """The known days of a span, oldest first."""
    table = tables.history_days
    query = sa.select(table).where(table.c.killmail_date.between(first, last)).order_by(table.c.killmail_date)
    return {row.killmail_date: HistoryDay(**row._mapping) for row in connection.execute(query)}


def missing_for_good(connection: Connection, first: date, last: date) -> dict[date, int]:
    """How many killmails of each day are known to be missing for good."""
    table = tables.missing_killmails
    query = (
        sa.select(table.c.killmail_date, sa.func.count())
        .where(table.c.killmail_date.between(first, last), table.c.reason.is_not(None))
        .group_by(table.c.killmail_date)
    )
    return dict(connection.execute(query).tuples().all())


def record_totals(connection: Connection, lister: Lister, totals: Mapping[date, int]) -> None:
    """Record how many killmails a service has of each day."""
    column = f"{lister}_total"
    days = sorted(totals)
    connection.execute(
        sa.text(f"""
        insert into ops.history_days as known (killmail_date, {column}, state)
        select killmail_date, total, 'listed'
        from unnest(cast(:days as date[]), cast(:totals as int[])) as given (killmail_date, total)
        on conflict (killmail_date) do update set {column} = excluded.{column}
        where known.{column} is distinct from excluded.{column}
        """),
        {"days": days, "totals": [totals[day] for day in days]},
    )


def count_stored(connection: Connection, days: Collection[date]) -> dict[date, int]:
    """Count the stored killmails of these days, and record the counts; days without a row are not recorded.

    A day that was incomplete is loaded when what its archive lacked has come by another way.
    """
    counts = {day: _stored_on(connection, day) for day in sorted(days)}
    connection.execute(
        sa.text("""
        update ops.history_days d set
            stored = given.stored, counted_at = now(),
            state = case when is_whole then 'loaded' else d.state end,
            reason = case when is_whole then null else d.reason end
        from (
            select h.killmail_date, g.stored, h.loaded_at is not null and g.stored + h.rejected >= h.everef_total
            from unnest(cast(:days as date[]), cast(:counts as int[])) as g (killmail_date, stored)
            join ops.history_days h using (killmail_date)
        ) as given (killmail_date, stored, is_whole)
        where d.killmail_date = given.killmail_date
        """),
        {"days": list(counts), "counts": list(counts.values())},
    )
    return counts


def _stored_on(connection: Connection, day: date) -> int:
    first = midnight(day)
    column = tables.killmails.c.killmail_time
    query = sa.select(sa.func.count()).where(column >= first, column < first + timedelta(days=1))
    count: int = connection.execute(query).scalar_one()
    return count


def finish_day(
    connection: Connection, day: date, etag: str, size: int, *, new: int, rejected: int, problem: str | None = None
) -> None:
    """Record that a day's archive has been loaded, and that `new` killmails of it were stored.

    `problem` says why it could not be read as a whole.
    """
    stored = _stored_on(connection, day)
    known = history_days(connection, day, day).get(day)
    total = known.everef_total if known is not None else None
    reason = problem
    if reason is None and total is not None and stored + rejected < total:
        reason = f"EVE Ref's totals list {total:,} killmails, {stored:,} are stored and {rejected:,} were rejected"
    values = {
        "etag": etag,
        "bytes": size,
        "loaded_at": sa.func.now(),
        "counted_at": sa.func.now(),
        "stored": stored,
        "rejected": rejected,
        "late": (known.late + new) if known is not None and known.loaded_at is not None else 0,
        "state": "incomplete" if reason is not None else "loaded",
        "reason": reason,
    }
    statement = insert(tables.history_days).values(killmail_date=day, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["killmail_date"], set_=values))


def mark_incomplete(connection: Connection, day: date, reason: str) -> None:
    """Record why a day could not be loaded; what is stored of it stays."""
    statement = insert(tables.history_days).values(killmail_date=day, state="incomplete", reason=reason)
    changes = {"state": "incomplete", "reason": reason}
    connection.execute(statement.on_conflict_do_update(index_elements=["killmail_date"], set_=changes))


def request_missing(connection: Connection, day: date, missing: Mapping[int, str]) -> int:
    """Record killmails as missing and request them from ESI, behind everything urgent; returns how many are new."""
    if not missing:
        return 0
    rows = [
        {"killmail_id": id_, "killmail_date": day, "killmail_hash": hash_, "listed_by": "zkillboard"}
        for id_, hash_ in sorted(missing.items())
    ]
    connection.execute(insert(tables.missing_killmails).on_conflict_do_nothing(), rows)
    return lineage.request(connection, KILLMAIL, list(missing), hashes=missing)


def settle_missing(connection: Connection) -> int:
    """Forget missing killmails that are stored by now, and keep ESI's reason for those that it refuses for good.

    Returns how many are known to be missing for good.
    """
    connection.exec_driver_sql(
        "delete from ops.missing_killmails m "
        "where exists (select from raw.killmails k where k.killmail_id = m.killmail_id)"
    )
    connection.execute(LAST_FAILURES, {"kind": KILLMAIL})
    count: int = connection.exec_driver_sql(
        "select count(*) from ops.missing_killmails where reason is not null"
    ).scalar_one()
    return count


def changed_since_counted(connection: Connection) -> Sequence[date]:
    """Days whose killmails have changed since they were counted."""
    return list(
        connection.execute(
            sa.text("""
            select distinct d.killmail_date from ops.changed_days d join ops.history_days h using (killmail_date)
            where h.counted_at is null or d.changed_at > h.counted_at order by 1
            """)
        ).scalars()
    )


@dataclass(frozen=True)
class HistoryYear:
    """A year of the history: its days, and its killmails; `share` is of what the longer of both lists has."""

    year: int
    days: int
    loaded: int
    incomplete: int
    everef: int
    zkillboard: int
    stored: int
    share: float | None
    missing_for_good: int
    days_to_build: int


def history_years(connection: Connection) -> list[HistoryYear]:
    """Every year of which a service or the platform has a killmail; counts are those of the last comparison."""
    rows = connection.execute(
        sa.text(f"""
        with days as (
            select extract(year from killmail_date) as year, loaded_at, state, everef_total, zkillboard_total, stored,
                {KNOWN_TO_EXIST} as expected
            from ops.history_days
        ), missing as (
            select extract(year from killmail_date) as year, count(*) as killmails
            from ops.missing_killmails where reason is not null group by 1
        ), to_build as (
            select extract(year from d.killmail_date) as year, count(distinct d.killmail_date) as days
            from ops.changed_days d where {IS_UNBUILT} group by 1
        )
        select cast(year as int), count(*), count(loaded_at), count(*) filter (where state = 'incomplete'),
            coalesce(sum(everef_total), 0), coalesce(sum(zkillboard_total), 0), sum(stored),
            cast(sum(stored) as float) / nullif(sum(expected), 0),
            coalesce((select m.killmails from missing m where m.year = days.year), 0),
            coalesce((select b.days from to_build b where b.year = days.year), 0)
        from days group by year order by year
        """)
    )
    return [HistoryYear(*row) for row in rows]


@dataclass(frozen=True)
class IncompleteDays:
    """Days that were loaded and lack killmails."""

    days: int = 0
    lacking: int = 0
    """Killmails that a service has and that are not stored, nor requested from ESI, nor missing for good."""
    broken: int = 0
    """Of the days, those of more than three days ago whose archive could not be read to its end."""
    newest_broken: date | None = None
    reason: str | None = None
    """Why that one could not."""


def incomplete_days(connection: Connection) -> IncompleteDays:
    """The days that lack killmails, counted now: what was noted of a day may be older than its last killmails."""
    row = connection.execute(
        sa.text("""
        with noted as (
            select killmail_date, reason, rejected, everef_total, zkillboard_total from ops.history_days
            where (loaded_at is not null or state = 'incomplete')
                and greatest(everef_total - rejected - stored, zkillboard_total - stored) > 0
        ), days as (
            select killmail_date, reason, greatest(everef_total - rejected, zkillboard_total) - (
                select count(*) from raw.killmails k where k.killmail_time >= noted.killmail_date at time zone 'utc'
                    and k.killmail_time < (noted.killmail_date + 1) at time zone 'utc'
            ) - (
                select count(*) from ops.missing_killmails m where m.killmail_date = noted.killmail_date
            ) as lacking, reason is not null and killmail_date < current_date - 3 as is_broken
            from noted
        )
        select count(*), coalesce(sum(lacking), 0), count(*) filter (where is_broken),
            max(killmail_date) filter (where is_broken),
            (array_agg(reason order by killmail_date desc) filter (where is_broken))[1]
        from days where lacking > 0
        """)
    ).one()
    return IncompleteDays(*row)


def monthly_shares(connection: Connection) -> dict[tuple[int, int], float]:
    """By year and month, the share of the killmails that are known to exist and that are stored."""
    rows = connection.execute(
        sa.text(f"""
        select cast(extract(year from killmail_date) as int), cast(extract(month from killmail_date) as int),
            cast(sum(stored) as float) / sum({KNOWN_TO_EXIST})
        from ops.history_days group by 1, 2 having sum({KNOWN_TO_EXIST}) > 0
        """)
    )
    return {(year, month): share for year, month, share in rows}


def grown_days(connection: Connection) -> list[date]:
    """Days that were loaded, and of which EVE Ref has more by now; newest first."""
    days = history_days(connection, FIRST_DAY, date.max)
    return [day for day, known in reversed(days.items()) if known.loaded_at is not None and known.is_due]

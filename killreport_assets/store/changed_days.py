"""`ops.changed_days`: days whose statistics a transaction changes, marked in that transaction. Nothing here builds.

A row is a day and the transaction that changed it, so writers of the same day never wait for each other. A build
compares transaction ids with the snapshot of the last build (dbt_transforms/macros/changed_days.sql): a change that is
committed after that snapshot is not in it, even if its transaction began earlier.
"""

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.store.places import STAGED_ROWS, NewRows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row

CADENCES = ("frequent", "nightly")
BATTLES = "battles"
"""The row of battles among the cadences of `ops.transform_builds`. They are found on days with new killmails only: days
that are marked for other reasons have no times."""
DAY = "cast(killmail_time at time zone 'UTC' as date)"
IS_UNBUILT = """
    not exists (
        select from ops.transform_builds b where b.cadence = 'frequent' and pg_visible_in_snapshot(
            cast(cast(d.changed_in as text) as xid8), cast(b.snapshot as pg_snapshot)))
"""
"""Condition of a row `d` of `ops.changed_days`: the frequent models lack it."""
THIS_TRANSACTION = "cast(cast(pg_current_xact_id() as text) as bigint)"

STATISTICS_READ = {
    "types": (
        *("group_id", "meta_group_id", "market_group_id", "meta_level", "rig_size", "heat_damage"),
        "variation_parent_type_id",
    ),
    "groups": ("category_id",),
    "market_groups": ("parent_group_id",),
    "systems": ("constellation_id", "region_id", "security_status"),
}
"""Static columns that statistics depend on: when one changes, the days of its row's killmails are changed days."""


def mark_written(connection: Connection, new: NewRows = STAGED_ROWS) -> None:
    """Mark the days of new killmails."""
    connection.exec_driver_sql(f"""
        insert into ops.changed_days as known (killmail_date, changed_in, earliest, latest)
        select {DAY}, {THIS_TRANSACTION}, min(killmail_time), max(killmail_time)
        from {new["new_killmails"]} k
        group by 1
        on conflict (killmail_date, changed_in) do update
        set earliest = least(known.earliest, excluded.earliest), latest = greatest(known.latest, excluded.latest)
    """)


def mark_days(connection: Connection, days: str, parameters: Row | None = None) -> int:
    """Mark the days that a query returns in its only column; returns how many."""
    marked = connection.execute(
        sa.text(f"""
            insert into ops.changed_days (killmail_date, changed_in)
            select distinct day, {THIS_TRANSACTION} from ({days}) as changed (day)
            on conflict do nothing
        """),
        parameters or {},
    )
    return marked.rowcount


def statistics_changes(connection: Connection, table: sa.Table, key: str, rows: Sequence[Row]) -> list[int]:
    """The ids of rows that differ from the table in columns that statistics depend on."""
    columns = [name for name in STATISTICS_READ.get(table.name, ()) if rows and name in rows[0]]
    if not columns:
        return []
    query = sa.select(table.c[key], *(table.c[name] for name in columns)).where(
        tables.among(table.c[key], [row[key] for row in rows])
    )
    known = {row[0]: tuple(row[1:]) for row in connection.execute(query)}
    unknown = (None,) * len(columns)
    given = {row[key]: tuple(row.get(name) for name in columns) for row in rows}
    return [id_ for id_, values in given.items() if known.get(id_, unknown) != values]


def mark_static(connection: Connection, table: sa.Table, ids: Sequence[int]) -> None:
    """Mark the days of all killmails with these types, groups, market groups or systems; call it after the change."""
    if not ids or connection.execute(sa.text("select 1 from raw.killmails limit 1")).scalar() is None:
        return
    if table.name == "systems":
        mark_days(connection, f"select {DAY} from raw.killmails where solar_system_id = any(:ids)", {"ids": ids})
        return
    types = _TYPES_OF[table.name]
    # The lineage has the killmails that mention a type before its body was stored. All killmails are searched only for
    # types that were known before: after a patch, or when the export first has more than ESI.
    mark_days(
        connection,
        f"""
        with about as materialized ({types}),
        looked_for as materialized (
            select type_id from about
            where exists (select 1 from raw.types t where t.type_id = about.type_id and t.known_since < now())
        )
        select {DAY} from raw.killmails
        where killmail_id in (
            select e.killmail_id from ops.enrichments e join about on e.entity_id = about.type_id
            where e.entity_kind = 'type'
        )
        union select {DAY} from raw.killmails where victim_ship_type_id in (select type_id from looked_for)
        union select {DAY} from raw.killmail_attackers where ship_type_id in (select type_id from looked_for)
        union select {DAY} from raw.killmail_items where item_type_id in (select type_id from looked_for)
        """,
        {"ids": ids},
    )


_TYPES_OF = {
    "types": "select unnest(cast(:ids as bigint[])) as type_id",
    "groups": "select type_id from raw.types where group_id = any(:ids)",
    "market_groups": """
        with recursive below (market_group_id) as (
            select unnest(cast(:ids as bigint[]))
            union
            select m.market_group_id from raw.market_groups m join below on m.parent_group_id = below.market_group_id
        )
        select type_id from raw.types where market_group_id in (select market_group_id from below)
    """,
}


def is_build_due(engine: Engine, cadence: str) -> bool:
    """Whether a cadence's models must be built: a day, or the date, has changed since their last build."""
    with engine.connect() as connection:
        due: bool = connection.execute(
            sa.text("""
            select not exists (
                select 1 from ops.transform_builds
                where cadence = :cadence and as_of = cast(now() at time zone 'UTC' as date)
            ) or exists (
                select 1 from ops.changed_days d join ops.transform_builds b
                    on b.cadence = :cadence or (b.cadence = :battles and d.earliest is not null)
                where not pg_visible_in_snapshot(
                    cast(cast(d.changed_in as text) as xid8), cast(b.snapshot as pg_snapshot))
            )
            """),
            {"cadence": cadence, "battles": BATTLES},
        ).scalar_one()
    return due


def current_snapshot(connection: Connection) -> str:
    """What is committed now."""
    return str(connection.execute(sa.text("select cast(pg_current_snapshot() as text)")).scalar_one())


def changed_after(connection: Connection, snapshot: str, *, by_killmails_alone: bool = False) -> list[date]:
    """The days that changed and that this snapshot does not show, oldest first; or only those with new killmails."""
    days = connection.execute(
        sa.text("""
        select distinct killmail_date from ops.changed_days
        where (earliest is not null or not :by_killmails_alone)
            and not pg_visible_in_snapshot(cast(cast(changed_in as text) as xid8), cast(:snapshot as pg_snapshot))
        order by 1
        """),
        {"snapshot": snapshot, "by_killmails_alone": by_killmails_alone},
    )
    return list(days.scalars())


def note_built(connection: Connection, cadence: str, snapshot: str) -> None:
    """Record that a cadence of ours, not one of dbt's, has what this snapshot shows."""
    connection.execute(
        sa.text("""
        insert into ops.transform_builds (cadence, snapshot, as_of)
        values (:cadence, :snapshot, cast(now() at time zone 'UTC' as date))
        on conflict (cadence) do update set snapshot = excluded.snapshot, as_of = excluded.as_of, built_at = now()
        """),
        {"cadence": cadence, "snapshot": snapshot},
    )


def oldest_unbuilt_change(connection: Connection) -> datetime | None:
    """When the oldest change was made that the frequent models lack; None if they are up to date."""
    return connection.execute(sa.text(f"select min(d.changed_at) from ops.changed_days d where {IS_UNBUILT}")).scalar()


def forget_built(engine: Engine) -> int:
    """Delete the changes that every cadence, battles and the lake have, if there is one; returns how many."""
    with writing(engine) as connection:
        deleted = connection.execute(
            sa.text("""
            delete from ops.changed_days d
            where (select count(*) from ops.transform_builds b where b.cadence = any(:cadences)) = :count
                and not exists (
                    select from ops.transform_builds b
                    where (b.cadence <> :battles or d.earliest is not null) and not pg_visible_in_snapshot(
                        cast(cast(d.changed_in as text) as xid8), cast(b.snapshot as pg_snapshot))
                )
            """),
            {"cadences": list(CADENCES), "count": len(CADENCES), "battles": BATTLES},
        )
    return deleted.rowcount

"""What the lake asks of the platform: which days changed, how far it is exported, how whole the killmails are."""

from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.changed_days import DAY, changed_after, current_snapshot, note_built

LAKE = "lake"
"""The lake's row among the cadences of `ops.transform_builds`: changes that it lacks are not forgotten."""


def identity(connection: Connection) -> str:
    """Which database this is: its server's own number, and its number there."""
    row = connection.execute(
        sa.text("""
        select concat(system_identifier, '/', (select oid from pg_database where datname = current_database()))
        from pg_control_system()
        """)
    )
    return str(row.scalar_one())


def lake_snapshot(connection: Connection) -> str:
    """The state that an export that begins now has: what dbt has built; without dbt's tables the current one."""
    built = connection.execute(
        sa.text("""
        select snapshot from ops.transform_builds where cadence = any(array['frequent', 'nightly'])
        order by pg_snapshot_xmax(cast(snapshot as pg_snapshot)) limit 1
        """)
    ).scalar()
    return str(built or current_snapshot(connection))


def changed_since(connection: Connection, snapshot: str) -> list[date] | None:
    """The days that changed and that this snapshot does not show; None if that is not known any more."""
    is_kept = connection.execute(
        sa.text("""
        select pg_snapshot_xmax(cast(snapshot as pg_snapshot)) <= pg_snapshot_xmax(cast(:snapshot as pg_snapshot))
        from ops.transform_builds where cadence = :lake
        """),
        {"lake": LAKE, "snapshot": snapshot},
    ).scalar()
    if not is_kept:
        return None
    return changed_after(connection, snapshot)


def note_exported(connection: Connection, snapshot: str) -> None:
    """Record that the lake has what this snapshot shows."""
    note_built(connection, LAKE, snapshot)


def days_with_killmails(connection: Connection) -> list[date]:
    """Every UTC day of which a killmail is stored, oldest first; reads all of them."""
    days = connection.execute(sa.text(f"select distinct {DAY} from raw.killmails order by 1"))
    return list(days.scalars())


def known_to_exist(connection: Connection) -> dict[date, int]:
    """How many killmails of each day EVE Ref or zKillboard is known to have; days that were compared."""
    rows = connection.execute(
        sa.text("""
        select killmail_date, greatest(everef_total, zkillboard_total) from ops.history_days
        where greatest(everef_total, zkillboard_total) is not null
        """)
    )
    return {row[0]: row[1] for row in rows}

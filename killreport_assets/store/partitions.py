"""Monthly partitions of the three killmail tables, created for the first killmail of a month.

They are in a schema of their own, so that a user who lists `raw` sees three tables of killmails and not hundreds.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.store.schema import tables

SCHEMA = "partitions"
PARTITIONED = (tables.killmails, tables.killmail_attackers, tables.killmail_items)


def ensure_months(engine: Engine, times: Iterable[datetime]) -> list[str]:
    """Create the partitions that killmails of these times need; returns the names of the new ones.

    It uses a transaction of its own: attaching a new table takes a lock that blocks neither readers nor writers, and an
    advisory lock serializes processes that need the same month.
    """
    months = {time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0) for time in times}
    wanted = {f"{table.name}_{month:%Y_%m}": (table, month) for month in sorted(months) for table in PARTITIONED}
    if not wanted:
        return []
    attached = sa.text(
        "select child.relname from pg_inherits join pg_class child on child.oid = inhrelid "
        "where inhparent = any(cast(:parents as regclass[])) and child.relname = any(:names)"
    )
    parameters = {"parents": [table.fullname for table in PARTITIONED], "names": list(wanted)}
    with engine.connect() as connection:
        missing = wanted.keys() - set(connection.execute(attached, parameters).scalars())
    if not missing:
        return []
    with advisory_lock(engine, Lock.PARTITIONS) as connection, connection.begin():
        missing -= set(connection.execute(attached, parameters).scalars())
        for name in sorted(missing):
            table, first = wanted[name]
            after = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
            connection.exec_driver_sql(f"create table {SCHEMA}.{name} (like {table.fullname} including all)")
            connection.exec_driver_sql(
                f"alter table {table.fullname} attach partition {SCHEMA}.{name} "
                f"for values from ('{first:%F} 00:00+00') to ('{after:%F} 00:00+00')"
            )
    return sorted(missing)


def stored_months(connection: Connection) -> list[date]:
    """The first days of the UTC months that have a partition of killmails, newest first."""
    months = connection.execute(
        sa.text("""
        select to_date(right(relname, 7), 'YYYY_MM') from pg_inherits join pg_class on oid = inhrelid
        where inhparent = cast('raw.killmails' as regclass) order by 1 desc
        """)
    )
    return list(months.scalars())

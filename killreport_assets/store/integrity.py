"""Counts of rows that violate invariants, for checks. Reads only."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.schema import tables


def killmails_without_one_final_blow(connection: Connection) -> int:
    """Stored killmails without exactly one final blow."""
    query = sa.text("""
        select count(*) from raw.killmails k where 1 <> (
            select count(*) filter (where a.final_blow) from raw.killmail_attackers a
            where a.killmail_id = k.killmail_id and a.killmail_time = k.killmail_time)
    """)
    count: int = connection.execute(query).scalar_one()
    return count


def rejected_killmails(connection: Connection) -> int:
    """Killmails that could not be stored, and were not stored since from another source."""
    rejected, stored = tables.rejected_killmails, tables.killmails
    is_stored = sa.exists().where(stored.c.killmail_id == rejected.c.killmail_id)
    query = sa.select(sa.func.count()).select_from(rejected).where(~is_stored)
    return connection.execute(query).scalar_one()

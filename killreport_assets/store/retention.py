"""What is deleted because it is old: readings of killmail lists, dead letters that were replayed."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.store.schema import tables


def delete_old_syncs(engine: Engine, keep: timedelta) -> int:
    """Delete readings that began longer ago; returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            sa.delete(tables.syncs).where(tables.syncs.c.started_at < sa.func.now() - keep)
        ).rowcount


def delete_old_dead_letters(engine: Engine, keep: timedelta) -> int:
    """Delete dead letters that were replayed longer ago; those that wait for a decision stay. Returns how many."""
    with writing(engine) as connection:
        return connection.execute(
            sa.delete(tables.dead_letters).where(tables.dead_letters.c.replayed_at < sa.func.now() - keep)
        ).rowcount

"""Previews of tables for people: row counts and a few rows. Reads only."""

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

if TYPE_CHECKING:
    import pandas as pd

MAX_EXACT_COUNT = 1_000_000
PREVIEW_ROWS = 5


def row_count(connection: Connection, table: sa.Table) -> int:
    """The number of rows: exact for small tables, PostgreSQL's estimate for large ones."""
    estimate = connection.execute(
        sa.text("""
        select coalesce(sum(c.reltuples) filter (where c.reltuples > 0), 0)
        from pg_class c
        where c.relkind = 'r' and (c.oid = cast(:name as regclass) or c.oid in (
            select inhrelid from pg_inherits where inhparent = cast(:name as regclass)))
        """),
        {"name": table.fullname},
    ).scalar_one()
    if estimate >= MAX_EXACT_COUNT:
        return int(estimate)
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def newest_rows(engine: Engine, table: sa.Table) -> "pd.DataFrame":
    """A few rows, None for null: the latest by the table's timestamp column if it has one, else any."""
    import pandas as pd  # imported here: most commands do not need it

    timestamp = next((table.c[name] for name in ("stored_at", "fetched_at", "killmail_time") if name in table.c), None)
    query = sa.select(table).limit(PREVIEW_ROWS)
    if timestamp is not None and timestamp.name != "killmail_time":
        query = query.order_by(timestamp.desc())
    with engine.connect() as connection:
        frame = pd.read_sql(query, connection, dtype_backend="numpy_nullable").astype(object)
    return frame.where(frame.notna(), None)

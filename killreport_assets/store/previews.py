"""Small looks at tables for people: row counts and first rows. Reads only."""

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Engine

if TYPE_CHECKING:
    import pandas as pd

MAX_EXACT_COUNT = 1_000_000
PREVIEW_ROWS = 5


def row_count(engine: Engine, table: sa.Table) -> int:
    """The table's rows: exact while it is small, PostgreSQL's estimate when counting would read too much."""
    with engine.connect() as connection:
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
    """A few rows: the latest by the table's own clock, else any."""
    import pandas as pd  # here, because most commands need none of it

    clock = next((table.c[name] for name in ("stored_at", "fetched_at", "killmail_time") if name in table.c), None)
    query = sa.select(table).limit(PREVIEW_ROWS)
    if clock is not None and clock.name != "killmail_time":
        query = query.order_by(clock.desc())
    with engine.connect() as connection:
        return pd.read_sql(query, connection)

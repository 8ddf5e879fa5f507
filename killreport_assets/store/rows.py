"""Writing rows of any table by its key. What else a row changes is up to the caller."""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema.columns import Row

INSERT_CHUNK = 2_000
"""Rows in one statement."""


def write_rows(connection: Connection, table: sa.Table, rows: Sequence[Row], *, latest_by: str | None = None) -> None:
    """Insert or update rows by the table's primary key, each key once; every row has the same columns.

    With `latest_by`, a stored row that is later by this column stays.
    """
    key = [column.name for column in table.primary_key]
    # One lock order for all processes prevents deadlocks.
    ordered = sorted(rows, key=lambda row: [row[name] for name in key])
    for start in range(0, len(ordered), INSERT_CHUNK):
        chunk = ordered[start : start + INSERT_CHUNK]
        statement = insert(table).values(chunk)
        changes = {name: statement.excluded[name] for name in chunk[0] if name not in key}
        if not changes:  # the key is all there is
            connection.execute(statement.on_conflict_do_nothing(index_elements=key))
            continue
        is_not_earlier = table.c[latest_by] <= statement.excluded[latest_by] if latest_by else None
        connection.execute(statement.on_conflict_do_update(index_elements=key, set_=changes, where=is_not_earlier))

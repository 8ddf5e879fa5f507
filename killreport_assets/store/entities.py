"""Reading and writing the dimension tables, and the small books of ops that sources keep (cursors, versions, syncs)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.changed_days import mark_static, statistics_changes
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row

INSERT_CHUNK = 2_000


def _key(table: sa.Table) -> sa.Column[Any]:
    return next(iter(table.primary_key))


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Insert rows or replace what is known of them, by the table's key; every row has the same columns.

    Two workers racing for one id are harmless: the later body wins. Days whose statistics rest on what changed are
    marked in `ops.changed_days`.
    """
    changed = statistics_changes(connection, table, _key(table).name, rows)
    ordered = sorted(
        rows, key=lambda row: row[_key(table).name]
    )  # one order for all, so that no two wait for each other
    for start in range(0, len(ordered), INSERT_CHUNK):
        chunk = ordered[start : start + INSERT_CHUNK]
        statement = insert(table).values(chunk)
        changes = {name: statement.excluded[name] for name in chunk[0] if name != _key(table).name}
        connection.execute(statement.on_conflict_do_update(index_elements=[_key(table)], set_=changes))
    mark_static(connection, table, changed)
    return len(ordered)


def mark_gone(connection: Connection, kind: str, entity_ids: Sequence[int]) -> None:
    """Note that ESI has no such record (any more); what is known of it stays."""
    table = tables.DIMENSIONS[kind]
    for entity_id in sorted(entity_ids):
        now = sa.func.now()
        statement = insert(table).values({_key(table).name: entity_id, "source": "esi", "gone_at": now})
        connection.execute(
            statement.on_conflict_do_update(index_elements=[_key(table)], set_={"gone_at": now, "fetched_at": now})
        )


def touch(connection: Connection, kind: str, entity_ids: Sequence[int]) -> None:
    """Note that what is known of these is still current (a 304)."""
    table = tables.DIMENSIONS[kind]
    connection.execute(sa.update(table).where(tables.among(_key(table), entity_ids)).values(fetched_at=sa.func.now()))


def mark_stale(connection: Connection, kind: str, entity_ids: Sequence[int]) -> None:
    """Mark these as stale: they are fetched again."""
    table = tables.DIMENSIONS[kind]
    long_ago = sa.text("timestamptz '2003-05-06'")
    connection.execute(sa.update(table).where(tables.among(_key(table), entity_ids)).values(fetched_at=long_ago))


@dataclass(frozen=True)
class KnownEntity:
    """What is known of an entity that has been asked for before."""

    fetched_at: datetime
    etag: str | None
    is_gone: bool


def known_entities(connection: Connection, kind: str, entity_ids: Sequence[int]) -> dict[int, KnownEntity]:
    """Those of the entities that are known."""
    table = tables.DIMENSIONS[kind]
    columns = (_key(table), table.c.fetched_at, table.c.etag, table.c.gone_at.is_not(None))
    query = sa.select(*columns).where(tables.among(_key(table), entity_ids))
    return {row[0]: KnownEntity(*row[1:]) for row in connection.execute(query)}


def fresh_after(now: datetime, ttl_days: int) -> datetime:
    """An entity last current before this is stale."""
    return now - timedelta(days=ttl_days)

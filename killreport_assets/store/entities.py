"""Reading and writing the dimension tables: what is stored of entities and static data, and how current it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import EntityKind
from killreport_assets.store.changed_days import mark_static, statistics_changes
from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row, key_column


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Row]) -> int:
    """Insert or update rows by the table's key; every row has the same columns.

    Two workers may write the same id: the later body wins. Days whose statistics depend on the change are marked in
    `ops.changed_days`.
    """
    changed = statistics_changes(connection, table, key_column(table).name, rows)
    write_rows(connection, table, rows)
    mark_static(connection, table, changed)
    return len(rows)


def mark_gone(connection: Connection, kind: EntityKind, entity_ids: Sequence[int]) -> None:
    """Record that ESI does not have these entities, or no longer has them; stored columns stay."""
    table = tables.DIMENSIONS[kind]
    for entity_id in sorted(entity_ids):
        now = sa.func.now()
        statement = insert(table).values({kind.key: entity_id, "source": "esi", "gone_at": now})
        connection.execute(
            statement.on_conflict_do_update(index_elements=[kind.key], set_={"gone_at": now, "fetched_at": now})
        )


def touch(connection: Connection, kind: EntityKind, entity_ids: Sequence[int]) -> None:
    """Record that these entities are still current (a 304)."""
    table = tables.DIMENSIONS[kind]
    connection.execute(
        sa.update(table).where(tables.among(table.c[kind.key], entity_ids)).values(fetched_at=sa.func.now())
    )


def mark_stale(connection: Connection, kind: EntityKind, entity_ids: Sequence[int]) -> None:
    """Mark entities as stale, so that they are fetched again."""
    table = tables.DIMENSIONS[kind]
    long_ago = sa.text("timestamptz '2003-05-06'")
    connection.execute(sa.update(table).where(tables.among(table.c[kind.key], entity_ids)).values(fetched_at=long_ago))


@dataclass(frozen=True)
class KnownEntity:
    """When an entity was last fetched, its ETag, and whether it is gone."""

    fetched_at: datetime
    etag: str | None
    is_gone: bool


def known_entities(connection: Connection, kind: EntityKind, entity_ids: Sequence[int]) -> dict[int, KnownEntity]:
    """The entities that are known, by id."""
    table = tables.DIMENSIONS[kind]
    columns = (table.c[kind.key], table.c.fetched_at, table.c.etag, table.c.gone_at.is_not(None))
    query = sa.select(*columns).where(tables.among(table.c[kind.key], entity_ids))
    return {row[0]: KnownEntity(*row[1:]) for row in connection.execute(query)}


def fresh_after(now: datetime, ttl_days: int) -> datetime:
    """The time before which an entity's last fetch makes it stale."""
    return now - timedelta(days=ttl_days)

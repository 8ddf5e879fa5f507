"""Reading and writing the dimension tables, and the small books of ops that sources keep (cursors, versions, syncs)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store import tables
from killreport_assets.store.changed_days import mark_static, statistics_changes

INSERT_CHUNK = 2_000


def _key(table: sa.Table) -> sa.Column[Any]:
    return next(iter(table.primary_key))


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
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


def doubt(connection: Connection, kind: str, entity_ids: Sequence[int]) -> None:
    """Let what is known of these count as stale: it is fetched again before anybody believes it."""
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


def known_killmails(connection: Connection, killmail_ids: Sequence[int]) -> set[int]:
    """Which of these killmails are stored."""
    column = tables.killmails.c.killmail_id
    return set(connection.execute(sa.select(column).where(tables.among(column, killmail_ids))).scalars())


def recently_rejected(connection: Connection, killmail_ids: Sequence[int], within: timedelta) -> set[int]:
    """Which of these killmails were fetched within this time and could not be stored."""
    table = tables.rejected_killmails
    query = sa.select(table.c.killmail_id).where(
        tables.among(table.c.killmail_id, killmail_ids), table.c.rejected_at > sa.func.now() - within
    )
    return set(connection.execute(query).scalars())


def fresh_after(now: datetime, ttl_days: int) -> datetime:
    """An entity last current before this is stale."""
    return now - timedelta(days=ttl_days)


def write_zkillboard_values(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep zKillboard's blocks, one a killmail: the one observed last wins."""
    table = tables.zkillboard_values
    latest: dict[int, Mapping[str, Any]] = {}
    for row in rows:
        known = latest.get(row["killmail_id"])
        if known is None or known["observed_at"] <= row["observed_at"]:
            latest[row["killmail_id"]] = row
    ordered = sorted(latest.values(), key=lambda row: row["killmail_id"])
    for start in range(0, len(ordered), INSERT_CHUNK):
        statement = insert(table).values(ordered[start : start + INSERT_CHUNK])
        changes = {column.name: statement.excluded[column.name] for column in table.c if column.name != "killmail_id"}
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["killmail_id"], set_=changes,
                where=table.c.observed_at <= statement.excluded.observed_at,
            )
        )  # fmt: skip


def read_cursor(connection: Connection, feed: str) -> int | None:
    """The first entry of the feed that has not been handled; None before the first look."""
    table = tables.feed_cursors
    return connection.execute(sa.select(table.c.next_sequence).where(table.c.feed == feed)).scalar()


def note_head(connection: Connection, feed: str, head_sequence: int) -> None:
    """Note the newest entry that the feed was seen to have; nothing before the first move of the cursor."""
    connection.execute(
        sa.text("""
        update ops.feed_cursors
        set head_sequence = greatest(head_sequence, :head), head_seen_at = now() where feed = :feed
        """),
        {"feed": feed, "head": head_sequence},
    )


def move_cursor(connection: Connection, feed: str, next_sequence: int) -> None:
    """Everything before `next_sequence` has been handled; never moves backwards."""
    statement = insert(tables.feed_cursors).values(feed=feed, next_sequence=next_sequence)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["feed"],
            set_={
                "next_sequence": sa.func.greatest(tables.feed_cursors.c.next_sequence, next_sequence),
                "moved_at": sa.func.now(),
            },
        )
    )


def read_versions(connection: Connection, source: str) -> dict[str, str]:
    """The version of each part of a source that was read last."""
    table = tables.source_versions
    query = sa.select(table.c.part, table.c.version).where(table.c.source == source)
    return {row.part: row.version for row in connection.execute(query)}


def write_version(connection: Connection, source: str, part: str, version: str) -> None:
    """Note that this version of the part has been read."""
    statement = insert(tables.source_versions).values(source=source, part=part, version=version)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "part"], set_={"version": version, "read_at": sa.func.now()}
        )
    )

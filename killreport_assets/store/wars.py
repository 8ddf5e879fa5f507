"""Writing wars and their allies, and which of them are due to be fetched from ESI."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row

Allies = Mapping[int, Sequence[tuple[str, int]]]
"""By war, the kind and id of each ally."""


def write_wars(connection: Connection, wars: Sequence[Row], allies: Allies) -> None:
    """Insert or update wars; a stored row that was observed later stays. Allies are never taken away."""
    write_rows(connection, tables.wars, wars, latest_by="observed_at")
    rows = [
        {"war_id": war_id, "entity_kind": kind, "entity_id": entity_id}
        for war_id, of_war in sorted(allies.items())
        for kind, entity_id in sorted(set(of_war))
    ]
    write_rows(connection, tables.war_allies, rows)


def due_wars(connection: Connection, listed: Sequence[int], older_than: timedelta, limit: int) -> list[int]:
    """Wars to fetch from ESI: listed ones that are not stored, newest first, then those that go on."""
    rows = connection.execute(
        sa.text("""
        with due (war_id, seen) as (
            select id, null from unnest(cast(:listed as bigint[])) as given (id)
            where not exists (select from raw.wars w where w.war_id = id)
            union all
            select war_id, observed_at from raw.wars
            where (finished is null or finished > observed_at)
                and observed_at < now() - cast(:older_than as interval)
        )
        select war_id from due order by seen nulls first, war_id desc limit :limit
        """),
        {"listed": list(listed), "older_than": older_than, "limit": limit},
    )
    return list(rows.scalars())

"""Queries for producers: entities that a dimension table lacks, and stale ones."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import EntityKind, is_fetchable
from killreport_assets.store.schema.tables import DIMENSIONS

_NEVER_STALE = {
    "alliance": "closed_at is not null",
    "corporation": "coalesce(state = 'closed', false)",
    "character": "false",
    "type": "source <> 'esi'",
}
"""Entities that are never stale: they no longer change, or another source updates them (types, the static data)."""


def missing(connection: Connection, kind: EntityKind, candidates: Sequence[int]) -> list[int]:
    """The candidates that the dimension table lacks and that can be fetched from ESI."""
    rows = connection.execute(
        sa.text(f"""
        select distinct id from unnest(cast(:candidates as bigint[])) as given (id)
        where {is_fetchable(kind, "id")}
            and not exists (select from {DIMENSIONS[kind].fullname} d where d.{kind}_id = id)
        order by id
        """),
        {"candidates": list(candidates)},
    )
    return list(rows.scalars())


def stale(connection: Connection, kind: EntityKind, ttl: timedelta) -> list[int]:
    """Entities last fetched longer than `ttl` ago; those that are gone or closed are never stale."""
    rows = connection.execute(
        sa.text(f"""
        select {kind}_id from {DIMENSIONS[kind].fullname}
        where gone_at is null and not ({_NEVER_STALE[kind]}) and fetched_at < now() - cast(:ttl as interval) order by 1
        """),
        {"ttl": ttl},
    )
    return list(rows.scalars())

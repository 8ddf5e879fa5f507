"""What producers look for: entities that the dimensions lack, or have not looked at for long; alliances' lists."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import is_fetchable
from killreport_assets.store.schema.tables import DIMENSIONS

_ENDED = {
    "alliance": "closed_at is not null",
    "corporation": "coalesce(state = 'closed', false)",
    "character": "false",
    "type": "source <> 'esi'",
}
"""What is never stale: nothing of it changes any more, or another source keeps it (types, the static data)."""


def missing(connection: Connection, kind: str, candidates: Sequence[int]) -> list[int]:
    """Those of the candidates that the dimension lacks and that ESI can be asked about."""
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


def stale(connection: Connection, kind: str, ttl: timedelta) -> list[int]:
    """What was last known to be current so long ago; what is gone or closed stays as it is."""
    rows = connection.execute(
        sa.text(f"""
        select {kind}_id from {DIMENSIONS[kind].fullname}
        where gone_at is null and not ({_ENDED[kind]}) and fetched_at < now() - cast(:ttl as interval) order by 1
        """),
        {"ttl": ttl},
    )
    return list(rows.scalars())

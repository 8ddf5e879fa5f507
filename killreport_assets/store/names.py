"""Names of entities whose bodies are not stored yet: `raw.entity_names`."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.schema.tables import DIMENSIONS

ASK_AGAIN = "1 day"
"""ESI cannot name a new character for about an hour (esi-issues #1086), and some ids it never names."""


@dataclass(frozen=True)
class EntityName:
    """An entity's name in ESI; None if ESI has none."""

    kind: str
    entity_id: int
    name: str | None


def unnamed(connection: Connection, limit: int) -> list[tuple[str, int]]:
    """Kind and id of pending entities that have neither a body nor a name, urgent and oldest first."""
    rows = connection.execute(
        sa.text(f"""
        select p.entity_kind, p.entity_id from ops.entity_pending p
        where p.entity_kind = any(:kinds) and not p.is_known
            and not exists (
                select from raw.entity_names n where n.entity_kind = p.entity_kind and n.entity_id = p.entity_id
                and (n.name is not null or n.asked_at > now() - interval '{ASK_AGAIN}'))
        order by p.urgent desc, p.first_seen, p.entity_id limit :limit
        """),
        {"kinds": list(DIMENSIONS), "limit": limit},
    )
    return [(row.entity_kind, row.entity_id) for row in rows]


def write_names(connection: Connection, names: Sequence[EntityName]) -> None:
    """Store names, and which entities have none."""
    connection.execute(
        sa.text("""
        insert into raw.entity_names (entity_kind, entity_id, name, asked_at)
        select distinct on (kind, id) kind, id, name, now()
        from unnest(cast(:kinds as text[]), cast(:ids as bigint[]), cast(:names as text[])) as given (kind, id, name)
        order by kind, id, name
        on conflict (entity_kind, entity_id) do update set
            name = coalesce(excluded.name, entity_names.name), asked_at = excluded.asked_at
        """),
        {
            "kinds": [name.kind for name in names],
            "ids": [name.entity_id for name in names],
            "names": [name.name for name in names],
        },
    )

"""Entities whose killmails the operator follows: `ops.followed`."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import EntityKind, is_fetchable
from killreport_assets.store.syncs import SUCCESSES


@dataclass(frozen=True)
class Followed:
    """A followed entity, and how many known characters belong to it."""

    kind: str
    entity_id: int
    name: str | None
    followed_at: datetime
    characters: int


def follow(connection: Connection, kind: str, entity_id: int) -> bool:
    """Follow an entity; False if it is already followed."""
    return bool(
        connection.execute(
            sa.text(
                "insert into ops.followed (entity_kind, entity_id) values (:kind, :id) "
                "on conflict do nothing returning 1"
            ),
            {"kind": kind, "id": entity_id},
        ).scalar()
    )


def unfollow(connection: Connection, kind: str, entity_id: int) -> bool:
    """Stop following an entity; False if it was not followed."""
    return bool(
        connection.execute(
            sa.text("delete from ops.followed where entity_kind = :kind and entity_id = :id returning 1"),
            {"kind": kind, "id": entity_id},
        ).scalar()
    )


_MEMBERS = """
    select f.entity_kind, f.entity_id, c.character_id
    from ops.followed f
    join raw.characters c on c.gone_at is null and (
        (f.entity_kind = 'corporation' and c.corporation_id = f.entity_id)
        or (f.entity_kind = 'alliance' and c.alliance_id = f.entity_id))
    union all
    select entity_kind, entity_id, entity_id from ops.followed where entity_kind = 'character'
"""


def list_followed(connection: Connection) -> list[Followed]:
    """All followed entities."""
    rows = connection.execute(
        sa.text(f"""
        select f.entity_kind, f.entity_id,
            coalesce(a.name, o.name, c.name, n.name),
            f.followed_at, count(m.character_id)
        from ops.followed f
        left join ({_MEMBERS}) m on m.entity_kind = f.entity_kind and m.entity_id = f.entity_id
        left join raw.alliances a on f.entity_kind = 'alliance' and a.alliance_id = f.entity_id
        left join raw.corporations o on f.entity_kind = 'corporation' and o.corporation_id = f.entity_id
        left join raw.characters c on f.entity_kind = 'character' and c.character_id = f.entity_id
        left join raw.entity_names n on n.entity_kind = f.entity_kind and n.entity_id = f.entity_id
        group by 1, 2, 3, 4 order by 1, 2
        """)
    )
    return [Followed(*row) for row in rows]


def characters_to_list(connection: Connection, not_since: timedelta) -> list[int]:
    """Followed characters and known members of followed entities that had no zKillboard sync within `not_since`."""
    rows = connection.execute(
        sa.text(f"""
        select distinct m.character_id from ({_MEMBERS}) m
        where {is_fetchable(EntityKind.CHARACTER, "m.character_id")} and not exists (
            select from ops.syncs s where s.source = 'zkillboard' and s.subject = 'character:' || m.character_id
            and s.outcome = any(:successes) and s.started_at > now() - cast(:not_since as interval))
        order by 1
        """),
        {"not_since": not_since, "successes": list(SUCCESSES)},
    )
    return list(rows.scalars())

"""Entities that stored killmails mention: anti-joins over the whole history that find missing pending work and lineage.

lineage.py records mentions when a killmail is stored; the checks here use the stored tables alone.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.models.ids import EntityKind, is_fetchable
from killreport_assets.store.places import PLACES
from killreport_assets.store.schema.tables import DIMENSIONS

SAMPLE = 20


@dataclass(frozen=True)
class Forgotten:
    """The number of missing rows, and a sample of their ids."""

    count: int
    sample: list[int]


@dataclass(frozen=True)
class Mention:
    """An entity that a killmail mentions: its roles, its name, and since when it is known (None: it is not)."""

    kind: str
    entity_id: int
    roles: list[str]
    name: str | None
    known_since: datetime | None


def neither_known_nor_pending(connection: Connection, kind: EntityKind) -> Forgotten:
    """Entities that killmails mention and that are neither stored nor pending; there must be none."""
    ids = " union ".join(f"select distinct {place.column} as id from {place.table.fullname}" for place in PLACES[kind])
    return _forgotten(
        connection,
        f"""
        select id as forgotten from ({ids}) mentioned
        where {is_fetchable(kind, "id")}
            and not exists (select from {DIMENSIONS[kind].fullname} d where d.{kind}_id = mentioned.id)
            and not exists (
                select from ops.entity_pending p where p.entity_kind = '{kind}' and p.entity_id = mentioned.id)
        """,
    )


def without_lineage(connection: Connection, kind: EntityKind) -> Forgotten:
    """Killmails that mention an entity unknown at that time and have no row for it in ops.enrichments."""
    mentions = " union all ".join(
        f"select killmail_id, killmail_time, {place.column} as id from {place.table.fullname}" for place in PLACES[kind]
    )
    return _forgotten(
        connection,
        f"""
        select k.killmail_id as forgotten
        from ({mentions}) mentioned
        join raw.killmails k
            on k.killmail_id = mentioned.killmail_id and k.killmail_time = mentioned.killmail_time
        left join {DIMENSIONS[kind].fullname} d on d.{kind}_id = mentioned.id
        left join ops.enrichments e
            on e.entity_kind = '{kind}' and e.entity_id = mentioned.id and e.killmail_id = mentioned.killmail_id
        where {is_fetchable(kind, "mentioned.id")} and e.killmail_id is null
            and (d.known_since is null or d.known_since > k.stored_at)
        group by k.killmail_id
        """,
    )


def mentions_of(connection: Connection, killmail_id: int, killmail_time: datetime) -> list[Mention]:
    """All fetchable entities that one killmail mentions; its time spares the search of all other months."""
    mentioned: list[Mention] = []
    for kind, places in PLACES.items():
        branches = " union all ".join(
            f"select {place.column} as id, unnest({place.roles}) as role from {place.table.fullname} "
            "where killmail_id = :killmail_id and killmail_time = :killmail_time"
            for place in places
        )
        rows = connection.execute(
            sa.text(f"""
            select '{kind}', m.id, array_agg(distinct m.role order by m.role),
                   coalesce(max(d.name), max(n.name)), max(d.known_since)
            from ({branches}) m
            left join {DIMENSIONS[kind].fullname} d on d.{kind}_id = m.id
            left join raw.entity_names n on n.entity_kind = '{kind}' and n.entity_id = m.id
            where {is_fetchable(kind, "m.id")} group by m.id order by m.id
            """),
            {"killmail_id": killmail_id, "killmail_time": killmail_time},
        )
        mentioned += [Mention(*row) for row in rows]
    return mentioned


def _forgotten(connection: Connection, query: str) -> Forgotten:
    row = connection.execute(
        sa.text(f"""
        with forgotten as ({query})
        select count(*), (select array_agg(forgotten) from (select * from forgotten order by 1 limit {SAMPLE}) first)
        from forgotten
        """)
    ).one()
    return Forgotten(row[0], list(row[1] or []))

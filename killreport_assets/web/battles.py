"""Battles from the marts: lists of them, and everything of one. How a battle is found is in the room battles/."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web import charts
from killreport_assets.web.database import has_mart
from killreport_assets.web.killmails import Place, killmails_by_id

LISTED = 50
MEMBERS = 150
ITEMS = 25
KILLMAILS = 50
BY_ENTITY = {
    "alliance": "battle_id in (select battle_id from marts.mart_battle_parties where entity_kind = 'alliance' "
    "and entity_id = :entity_id)",
    "corporation": "battle_id in (select battle_id from marts.mart_battle_members where corporation_id = :entity_id)",
    "character": "battle_id in (select battle_id from marts.mart_battle_members where character_id = :entity_id)",
    "system": "solar_system_id = :entity_id",
    "region": "region_id = :entity_id",
}
"""By kind of entity: the condition that it was in a battle, or that the battle was there."""


def are_built(connection: Connection) -> bool:
    """Whether a build has made the battles."""
    return has_mart(connection, "mart_battles")


def newest(
    connection: Connection,
    *,
    kind: str | None = None,
    entity_id: int | None = None,
    before: Place | None = None,
    days: tuple[date, date] | None = None,
    limit: int = LISTED,
) -> list[dict[str, Any]]:
    """Battles by the time of their end, newest first, those of an entity or all, each with its `sides`.

    `before`: the place, by end and id, of the battle after which the list begins; `days`: the first and the last UTC
    day on which they began.
    """
    conditions = ["true"]
    parameters: dict[str, Any] = {"entity_id": entity_id, "limit": limit}
    if kind is not None:
        conditions.append(BY_ENTITY[kind])
    if before is not None:
        conditions.append("(ended_at, battle_id) < (:ended_at, :battle_id)")
        parameters |= {"ended_at": before.killmail_time, "battle_id": before.killmail_id}
    if days is not None:
        conditions.append("killmail_date between :first and :last")
        parameters |= {"first": days[0], "last": days[1]}
    query = sa.text(f"""
        select * from marts.mart_battles where {" and ".join(conditions)}
        order by ended_at desc, battle_id desc limit :limit
    """)
    rows = connection.execute(query, parameters).mappings().all()
    by_battle = _sides_of(connection, [row["battle_id"] for row in rows])
    return [dict(row) | {"sides_of_it": by_battle[row["battle_id"]]} for row in rows]


def battle(connection: Connection, battle_id: int) -> RowMapping | None:
    """One battle; None if there is none with this id."""
    query = sa.text("select * from marts.mart_battles where battle_id = :id")
    return connection.execute(query, {"id": battle_id}).mappings().one_or_none()


def known_battle(connection: Connection, some_id: int) -> RowMapping | None:
    """The battle with this id, or that had it once, or of this killmail; None if none is known, or none are built."""
    if not are_built(connection):
        return None
    found = battle(connection, some_id)
    if found is None and (battle_id := battle_of(connection, some_id)) is not None:
        found = battle(connection, battle_id)
    return found


def everything(connection: Connection, row: RowMapping) -> dict[str, Any]:
    """What battle.html shows of a battle."""
    battle_id = row["battle_id"]
    return {
        "row": row,
        "sides": sides(connection, battle_id),
        "timeline": timeline(connection, battle_id),
        "members": members(connection, battle_id),
        "items": items(connection, battle_id),
        "killmails_of_it": killmails_by_id(connection, _most_valuable(connection, battle_id)),
    }


def battle_of(connection: Connection, killmail_id: int) -> int | None:
    """The battle that a killmail belongs to, or that had its id once; None if it is of no battle."""
    query = sa.text("""
        select battle_id from marts.fct_battle_killmails where killmail_id = :id
        union all
        select battle_id from marts.fct_former_battles where former_battle_id = :id and battle_id is not null
        limit 1
    """)
    found: int | None = connection.execute(query, {"id": killmail_id}).scalar()
    return found


def sides(connection: Connection, battle_id: int) -> list[dict[str, Any]]:
    """The sides that fought, the one with most pilots first, each with its `parties` and its `classes` of ships."""
    parties = _by_side(
        connection,
        """
        select * from marts.mart_battle_parties where battle_id = :id
        order by side, pilots desc, ships_lost desc, entity_id
        """,
        battle_id,
    )
    classes = _by_side(
        connection,
        """
        select side, ship_group_id, min(ship_group_name) as ship_group_name, count(distinct character_id) as pilots,
            count(lost_killmail_id) as lost, coalesce(sum(total_value), 0) as isk_lost
        from marts.mart_battle_hulls where battle_id = :id
        group by side, ship_group_id order by side, isk_lost desc, pilots desc, ship_group_id
        """,
        battle_id,
    )
    return [
        dict(row) | {"parties": parties[row["side"]], "classes": classes[row["side"]]}
        for row in _sides_of(connection, [battle_id])[battle_id]
    ]


def timeline(connection: Connection, battle_id: int) -> list[charts.Bar]:
    """ISK that the two largest sides lost by five minutes: the first above the line, the second below it."""
    query = sa.text("""
        select segment_start, coalesce(sum(isk_lost) filter (where side = 1), 0) as first,
            coalesce(sum(isk_lost) filter (where side = 2), 0) as second
        from marts.mart_battle_timeline where battle_id = :id group by segment_start order by segment_start
    """)
    rows = connection.execute(query, {"id": battle_id})
    return charts.segments([(row.segment_start, float(row.first), float(row.second)) for row in rows])


def lost_so_far(connection: Connection, battle_id: int) -> list[RowMapping]:
    """What each side had lost, by five minutes."""
    query = sa.text("""
        select segment_start, side, isk_lost_so_far from marts.mart_battle_timeline where battle_id = :id
        order by segment_start, side
    """)
    return list(connection.execute(query, {"id": battle_id}).mappings())


def members(connection: Connection, battle_id: int) -> list[dict[str, Any]]:
    """The pilots who lost or destroyed most, each with the `ships` that they flew, in order."""
    query = sa.text("""
        select m.*, (
            select json_agg(
                json_build_array(h.ship_type_id, h.ship_type_name, h.lost_killmail_id) order by h.hull_number
            )
            from marts.mart_battle_hulls h where h.battle_id = m.battle_id and h.character_id = m.character_id
        ) as ships
        from marts.mart_battle_members m where m.battle_id = :id
        order by m.isk_lost desc, m.damage_done desc, m.character_id limit :limit
    """)
    return [dict(row) for row in connection.execute(query, {"id": battle_id, "limit": MEMBERS}).mappings()]


def items(connection: Connection, battle_id: int) -> dict[int, list[RowMapping]]:
    """The most valuable items that each side lost: destroyed and dropped."""
    return _by_side(
        connection,
        f"""
        select * from (
            select *, row_number() over (
                partition by side order by destroyed_value + dropped_value desc, item_type_id
            ) as place
            from marts.mart_battle_items where battle_id = :id
        ) as ranked where place <= {ITEMS} order by side, place
        """,
        battle_id,
    )


def _most_valuable(connection: Connection, battle_id: int) -> list[int]:
    """The most valuable killmails of a battle."""
    query = sa.text("""
        select killmail_id from marts.fct_battle_killmails where battle_id = :id
        order by total_value desc, killmail_id limit :limit
    """)
    return list(connection.execute(query, {"id": battle_id, "limit": KILLMAILS}).scalars())


def _sides_of(connection: Connection, battle_ids: Sequence[int]) -> dict[int, list[RowMapping]]:
    query = sa.text("""
        select * from marts.mart_battle_sides where battle_id = any(:ids) and hostility_share > 0
        order by battle_id, side
    """)
    found: dict[int, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(query, {"ids": list(battle_ids)}).mappings():
        found[row["battle_id"]].append(row)
    return found


def _by_side(connection: Connection, query: str, battle_id: int) -> dict[int, list[RowMapping]]:
    found: dict[int, list[RowMapping]] = defaultdict(list)
    for row in connection.execute(sa.text(query), {"id": battle_id}).mappings():
        found[row["side"]].append(row)
    return found

"""Finding killmails in marts.fct_killmails: filters, pages by the place of the last killmail, and everything of one.

The killmails of an entity are found by the indexed arrays of marts.fct_involved. The ids of characters, corporations,
alliances, factions and types never overlap (CCP's ranges of ids); those of groups do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web.entities import KINDS, Kind

MAX_PAGE = 200
COLUMNS = (
    "killmail_id, killmail_time, killmail_hash, solar_system_id, solar_system_name, solar_system_security_status, "
    "region_id, region_name, victim_character_id, victim_character_name, victim_corporation_id, "
    "victim_corporation_name, victim_alliance_id, victim_alliance_name, victim_faction_id, victim_ship_type_id, "
    "victim_ship_name, victim_ship_group_id, victim_ship_group_name, final_blow_character_id, "
    "final_blow_character_name, final_blow_corporation_id, final_blow_corporation_name, final_blow_ship_type_id, "
    "final_blow_ship_name, attacker_count, total_value, is_hull_priced, is_solo_zkb, is_npc_zkb, is_awox, is_ganked, "
    "points, war_id, moon_id, victim_damage_taken, source, stored_at"
)
COMPARED = (
    *("is_solo_zkb", "is_npc_zkb", "is_awox", "is_ganked", "is_capital", "is_structure", "is_war", "is_padding"),
    *("is_pvp_zkb", "security_band_zkb", "isk_band", "timezone_band", "attackers_band_zkb"),
    "victim_ship_category_id",
)
_CURSOR = re.compile(r"[0-9]{1,11}-[0-9]{1,18}")


class Side(StrEnum):
    """On which side of a killmail an entity is."""

    kills = "kills"
    losses = "losses"
    both = "both"


@dataclass(frozen=True)
class Place:
    """The place of a killmail in the order of time: a page begins after it."""

    killmail_time: datetime
    killmail_id: int

    @classmethod
    def of(cls, row: Mapping[str, Any] | RowMapping) -> "Place":
        """The place of a row of `COLUMNS`."""
        return cls(row["killmail_time"], row["killmail_id"])

    @classmethod
    def of_cursor(cls, cursor: str) -> "Place":
        """Read what `cursor` wrote.

        Raises:
            ValueError: it is none of ours.
        """
        if not _CURSOR.fullmatch(cursor):
            raise ValueError(cursor)
        seconds, killmail_id = map(int, cursor.split("-"))
        return cls(datetime.fromtimestamp(seconds, UTC), killmail_id)

    @property
    def cursor(self) -> str:
        """The place as text for addresses and callers, to whom it is opaque."""
        return f"{int(self.killmail_time.timestamp())}-{self.killmail_id}"


@dataclass(frozen=True)
class Filters:
    """Which killmails; everything that is set has to be true."""

    entities: tuple[tuple[Kind, int, Side], ...] = ()
    security_bands: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    killmail_ids: tuple[int, ...] | None = None
    equal: dict[str, Any] = field(default_factory=dict)
    """Values by column, of COMPARED."""
    is_final_blow: bool = False
    """Whether the entity has to have given the final blow; only of characters, corporations, alliances and ships."""
    location_id: int | None = None
    war_id: int | None = None
    min_value: float | None = None
    max_value: float | None = None
    min_attackers: int | None = None
    max_attackers: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None
    after_id: int | None = None
    before: Place | None = None
    is_oldest_first: bool = False


def find(connection: Connection, filters: Filters, limit: int, offset: int = 0) -> list[RowMapping]:
    """The first killmails by time, newest first unless said otherwise; at most `limit` rows of `COLUMNS`."""
    bound = _bound(connection, filters, limit + offset)
    conditions, parameters = _conditions(filters, is_bound=bound is not None)
    parameters["bound"] = bound
    order = "asc" if filters.is_oldest_first else "desc"
    # The names are looked up for the rows of the page alone.
    query = f"""
        select {COLUMNS} from marts.fct_killmails where killmail_id = any(array(
            select killmail_id from marts.fct_killmails where {" and ".join(conditions) or "true"}
            order by killmail_time {order}, killmail_id {order} limit :limit offset :offset
        )) order by killmail_time {order}, killmail_id {order}
    """
    return list(connection.execute(sa.text(query), parameters | {"limit": limit, "offset": offset}).mappings())


def killmails_by_id(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """These killmails, newest first: rows of `COLUMNS`."""
    query = f"""
        select {COLUMNS} from marts.fct_killmails where killmail_id = any(:ids)
        order by killmail_time desc, killmail_id desc
    """
    return list(connection.execute(sa.text(query), {"ids": list(killmail_ids)}).mappings())


def killmail(connection: Connection, killmail_id: int) -> RowMapping | None:
    """Every column of one killmail; None while no build has read it."""
    query = sa.text("select * from marts.fct_killmails where killmail_id = :id")
    return connection.execute(query, {"id": killmail_id}).mappings().one_or_none()


def attackers_of(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """Every attacker of these killmails: the final blow first, then by damage."""
    return _of(
        connection, "fct_attackers", killmail_ids, "killmail_id, not final_blow, damage_done desc, attacker_index"
    )


def items_of(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """Every item row of these killmails, in their order."""
    return _of(connection, "fct_items", killmail_ids, "killmail_id, item_index")


def values_of(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """The values of these killmails by each price method."""
    return _of(connection, "fct_killmail_values_by_method", killmail_ids, "killmail_id, price_method")


def zkillboard_of(connection: Connection, killmail_ids: Sequence[int]) -> list[RowMapping]:
    """What zKillboard says of these killmails, where it is known."""
    query = sa.text("select * from raw.zkillboard_values where killmail_id = any(:ids)")
    return list(connection.execute(query, {"ids": list(killmail_ids)}).mappings())


def _of(connection: Connection, table: str, killmail_ids: Sequence[int], order: str) -> list[RowMapping]:
    asked: dict[str, Any] = {"ids": list(killmail_ids)}
    condition = ""
    if table in {"fct_attackers", "fct_items"}:  # with known times, other months are not even planned
        times = sa.text(
            "select min(killmail_time), max(killmail_time) from marts.fct_killmails where killmail_id = any(:ids)"
        )
        asked["first"], asked["last"] = connection.execute(times, asked).one()
        condition = "and killmail_time between :first and :last"
    query = f"select * from marts.{table} where killmail_id = any(:ids) {condition} order by {order}"
    return list(connection.execute(sa.text(query), asked).mappings())


def _conditions(filters: Filters, *, is_bound: bool) -> tuple[list[str], dict[str, Any]]:
    conditions: list[str] = []
    parameters: dict[str, Any] = {}
    if is_bound and not filters.entities:
        conditions.append("killmail_date >= :bound")
    for number, (kind, entity_id, side) in enumerate(filters.entities):
        conditions.append(_of_entity(kind, side, f"entity_{number}", is_bound=is_bound))
        parameters[f"entity_{number}"] = entity_id
    for number, (column, value) in enumerate(filters.equal.items()):
        if column not in COMPARED:
            raise KeyError(column)
        conditions.append(f"{column} = :equal_{number}")
        parameters[f"equal_{number}"] = value
    if filters.is_final_blow:
        conditions.append(_final_blow(filters))
    compared = {
        "security_band_zkb = any(:security_bands)": ("security_bands", list(filters.security_bands) or None),
        "killmail_id = any(:killmail_ids)": (
            "killmail_ids",
            None if filters.killmail_ids is None else list(filters.killmail_ids),
        ),
        "exists (select from raw.zkillboard_values z where z.killmail_id = fct_killmails.killmail_id "
        "and z.labels @> :labels)": ("labels", list(filters.labels) or None),
        "exists (select from raw.zkillboard_values z where z.killmail_id = fct_killmails.killmail_id "
        "and z.location_id = :location_id)": ("location_id", filters.location_id),
        "war_id = :war_id": ("war_id", filters.war_id),
        "total_value >= :min_value": ("min_value", filters.min_value),
        "total_value <= :max_value": ("max_value", filters.max_value),
        "attacker_count >= :min_attackers": ("min_attackers", filters.min_attackers),
        "attacker_count <= :max_attackers": ("max_attackers", filters.max_attackers),
        "killmail_date >= cast(:since as date) and killmail_time >= :since": ("since", filters.since),
        "killmail_date <= cast(:until as date) and killmail_time <= :until": ("until", filters.until),
        "killmail_id < :before_id": ("before_id", filters.before_id),
        "killmail_id > :after_id": ("after_id", filters.after_id),
    }
    for condition, (name, value) in compared.items():
        if value is not None:
            conditions.append(condition)
            parameters[name] = value
    if filters.before is not None:
        sign = ">" if filters.is_oldest_first else "<"
        conditions.append(
            f"killmail_date {sign}= cast(:place_time as date) "
            f"and (killmail_time, killmail_id) {sign} (:place_time, :place_id)"
        )
        parameters |= {"place_time": filters.before.killmail_time, "place_id": filters.before.killmail_id}
    return conditions, parameters


def _final_blow(filters: Filters) -> str:
    known = ("character", "corporation", "alliance", "ship_type")
    columns = [
        f"final_blow_{kind.name}_id = :entity_{number}"
        for number, (kind, _, _) in enumerate(filters.entities)
        if kind.name in known
    ]
    return " and ".join(columns) or "false"


def _of_entity(kind: Kind, side: Side, name: str, *, is_bound: bool) -> str:
    bound = "and killmail_date >= :bound" if is_bound else ""
    if kind.is_place:
        places = {
            "system": f"solar_system_id = :{name}",
            "constellation": "solar_system_id = any(array("
            f"select system_id from marts.dim_systems where constellation_id = :{name}))",
            "region": f"region_id = :{name}",
        }
        return f"{places[kind.name]} {bound}"
    ids = f"array[cast(:{name} as bigint)]"
    if kind.name == "ship_group":
        ids = f"array(select type_id from marts.dim_types where group_id = :{name})"
    sides = {Side.kills: ["attacker_ids"], Side.losses: ["victim_ids"], Side.both: ["attacker_ids", "victim_ids"]}
    involved = " or ".join(f"{column} && {ids}" for column in sides[side])
    return f"killmail_id in (select killmail_id from marts.fct_involved where ({involved}) {bound}) {bound}"


def _bound(connection: Connection, filters: Filters, limit: int) -> date | None:
    """The day at which an entity has had enough killmails to fill a page, by its daily mart.

    Without it PostgreSQL reads either every killmail of a prolific entity, or years of days for a rare one.
    """
    chosen = replace(filters, entities=(), before=None)
    if len(filters.entities) > 1 or chosen != Filters():
        return None
    # Without an entity the killmails of all regions count: those of an unknown region only move the day further back.
    kind, entity_id, side = filters.entities[0] if filters.entities else (KINDS["region"], None, Side.kills)
    is_of = f"{kind.name}_id = :id" if filters.entities else "true"
    counted = {Side.kills: "kills", Side.losses: "losses", Side.both: "kills + losses"}[side]
    query = f"""
        select min(killmail_date) from (
            select killmail_date, coalesce(sum(sum({counted})) over (
                order by killmail_date desc rows between unbounded preceding and 1 preceding
            ), 0) as later
            from marts.mart_{kind.name}_daily
            where {is_of} and killmail_date <= coalesce(cast(:day as date), current_date + 1)
            group by killmail_date
        ) days where later < :limit + (
            select coalesce(sum({counted}), 0) from marts.mart_{kind.name}_daily
            where {is_of} and killmail_date = cast(:day as date)
        )
    """
    if side is Side.both:  # a killmail on both sides of which it is counts twice: read a little more
        limit *= 2
    day = filters.before.killmail_time if filters.before else None
    found: date | None = connection.execute(sa.text(query), {"id": entity_id, "day": day, "limit": limit}).scalar_one()
    return found


def of_entity(kind: Kind, entity_id: int, side: Side = Side.both) -> Filters:
    """The killmails of one entity."""
    return Filters(entities=((kind, entity_id, side),))

"""What a page can be about besides a killmail: the nine kinds of entities, their names, and looking them up by name."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

MIN_PREFIX = 2
MAX_FOUND = 10


@dataclass(frozen=True)
class Kind:
    """A kind of entity: `name` is the marts' word, `path` the one of addresses, which is zKillboard's."""

    name: str
    path: str
    title: str
    dimension: str
    id_column: str
    name_column: str

    @property
    def is_place(self) -> bool:
        """Whether killmails happen in it."""
        return self.name in {"system", "constellation", "region"}

    @property
    def is_player(self) -> bool:
        """Whether rivals and companions are counted for it."""
        return self.name in {"character", "corporation", "alliance"}

    @property
    def has_ships(self) -> bool:
        """Whether the ships that it used and lost are counted by month."""
        return self.is_player or self.name == "faction"


KINDS = {
    kind.name: kind
    for kind in (
        Kind("character", "character", "Pilot", "dim_characters", "character_id", "character_name"),
        Kind("corporation", "corporation", "Corporation", "dim_corporations", "corporation_id", "corporation_name"),
        Kind("alliance", "alliance", "Alliance", "dim_alliances", "alliance_id", "alliance_name"),
        Kind("faction", "faction", "Faction", "dim_factions", "faction_id", "faction_name"),
        Kind("ship_type", "ship", "Ship", "dim_types", "type_id", "type_name"),
        Kind("ship_group", "group", "Ship group", "dim_groups", "group_id", "group_name"),
        Kind("system", "system", "Solar system", "dim_systems", "system_id", "system_name"),
        Kind(
            "constellation",
            "constellation",
            "Constellation",
            "dim_constellations",
            "constellation_id",
            "constellation_name",
        ),
        Kind("region", "region", "Region", "dim_regions", "region_id", "region_name"),
    )
}
BY_PATH = {kind.path: kind for kind in KINDS.values()}


@dataclass(frozen=True)
class Found:
    """An entity that a search found."""

    kind: Kind
    entity_id: int
    name: str


def dimension_rows(connection: Connection, kind: Kind, ids: Sequence[int]) -> dict[int, RowMapping]:
    """The rows of a dimension, by id; ids that it does not have are left out."""
    query = f"select * from marts.{kind.dimension} where {kind.id_column} = any(:ids)"
    return {row[kind.id_column]: row for row in connection.execute(sa.text(query), {"ids": list(ids)}).mappings()}


def name_of(kind: Kind, row: RowMapping | None, entity_id: int) -> str:
    """The name to show: the id where no name is known."""
    return str(row[kind.name_column]) if row and row[kind.name_column] else f"{kind.title} {entity_id}"


def search(connection: Connection, words: str, limit: int = MAX_FOUND) -> list[Found]:
    """Entities whose name begins with these words in any case, or whose id they are; at most `limit` of each kind."""
    wanted = words.strip().lower()
    if wanted.isdigit() and len(wanted) <= 18:
        return _by_id(connection, int(wanted))
    if len(wanted) < MIN_PREFIX:
        return []
    pattern = wanted.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    found = []
    for kind in KINDS.values():
        query = (
            f"select {kind.id_column} as id, {kind.name_column} as name from marts.{kind.dimension} "
            f"where lower({kind.name_column}) like :pattern {_only(kind)} "
            f"order by length({kind.name_column}), {kind.name_column}, {kind.id_column} limit :limit"
        )
        rows = connection.execute(sa.text(query), {"pattern": pattern, "limit": limit})
        found += [Found(kind, row.id, row.name) for row in rows]
    return found


def _only(kind: Kind) -> str:
    """Of types, only what killmails are about: hulls and structures."""
    return "and category_id in (6, 22, 23, 40, 46, 65, 87)" if kind.name == "ship_type" else ""


def _by_id(connection: Connection, entity_id: int) -> list[Found]:
    found = []
    for kind in KINDS.values():
        row: Any = dimension_rows(connection, kind, [entity_id]).get(entity_id)
        if row is not None:
            found.append(Found(kind, entity_id, name_of(kind, row, entity_id)))
    return found

"""The tables of an entity's page, from the marts by month."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web import charts, formats, statistics
from killreport_assets.web.entities import Kind


@dataclass(frozen=True)
class Table:
    """A table of an entity's page: what its rows are, where they link, and its columns (name, title, format)."""

    title: str
    what: str
    path: str
    defined: str
    rows: list[dict[str, Any]]
    columns: tuple[tuple[str, str, Callable[[Any], str]], ...]


def tables_of(connection: Connection, kind: Kind, entity_id: int) -> list[Table]:
    """The tables of an entity's page: ships, rivals, companions, places; none for kinds that are no players'."""
    if not kind.is_player:
        return []
    isk, number = formats.isk, formats.number
    destroyed = ("isk_destroyed", "ISK destroyed", isk)
    path = kind.path
    return [
        _table(
            "Ships flown",
            "Ship",
            "ship",
            "ship_type_id",
            statistics.ships_used(connection, kind, entity_id),
            ("kills", "Kills", number),
            ("pilots", "Pilots", number),
        ),
        _table(
            "Ships lost",
            "Ship",
            "ship",
            "losses",
            statistics.ships_lost(connection, kind, entity_id),
            ("losses", "Losses", number),
            ("isk_lost", "ISK lost", isk),
        ),
        _table(
            "Kills most",
            kind.title,
            path,
            "kills_as_main_party",
            statistics.rivals(connection, kind, entity_id),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Is killed most by",
            kind.title,
            path,
            "kills_as_third_party",
            statistics.rivals(connection, kind, entity_id, are_victims=False),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Attacks with",
            kind.title,
            path,
            "with_id",
            statistics.companions(connection, kind, entity_id),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Places",
            "System",
            "system",
            "solar_system_id",
            statistics.places(connection, kind, entity_id),
            ("kills", "Kills", number),
            ("losses", "Losses", number),
        ),
    ]


def _table(
    title: str,
    what: str,
    path: str,
    defined: str,
    rows: list[RowMapping],
    *columns: tuple[str, str, Callable[[Any], str]],
) -> Table:
    return Table(title, what, path, defined, charts.with_lengths(rows, columns[0][0]), columns)

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
    read = statistics
    return [
        _table(
            "Ships flown",
            "Ship",
            "ship",
            "ship_type_id",
            read.ships_used(connection, kind, entity_id),
            ("kills", "Kills", number),
            ("pilots", "Pilots", number),
        ),
        _table(
            "Ships lost",
            "Ship",
            "ship",
            "losses",
            read.ships_lost(connection, kind, entity_id),
            ("losses", "Losses", number),
            ("isk_lost", "ISK lost", isk),
        ),
        _table(
            "Kills most",
            kind.title,
            path,
            "kills_as_main_party",
            read.rivals(connection, kind, entity_id),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Is killed most by",
            kind.title,
            path,
            "kills_as_third_party",
            read.rivals(connection, kind, entity_id, are_victims=False),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Attacks with",
            kind.title,
            path,
            "with_id",
            read.companions(connection, kind, entity_id),
            ("kills", "Kills", number),
            destroyed,
        ),
        _table(
            "Places",
            "System",
            "system",
            "solar_system_id",
            read.places(connection, kind, entity_id),
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
    lengths = charts.share_of_most(rows, columns[0][0])
    with_lengths = [dict(row) | {"length": length} for row, length in zip(rows, lengths, strict=True)]
    return Table(title, what, path, defined, with_lengths, columns)

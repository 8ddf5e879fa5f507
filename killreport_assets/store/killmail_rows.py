"""The rows of killmails for PostgreSQL's `COPY … (format binary)`: which column gets what, packed as bytes.

One place for every way into the tables. The format: https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.engine import Connection

from killreport_assets.models.ids import EntityKind

if TYPE_CHECKING:
    from psycopg import Cursor

    from killreport_assets.models.killmail import Attacker, Item, Killmail
    from killreport_assets.models.plain_killmail import PlainKillmail

COLUMNS = {
    "killmails": (
        "killmail_id, killmail_time, killmail_hash, solar_system_id, moon_id, war_id, victim_character_id, "
        "victim_corporation_id, victim_alliance_id, victim_faction_id, victim_ship_type_id, victim_damage_taken, "
        "position_x, position_y, position_z, source"
    ),
    "killmail_attackers": (
        "killmail_id, killmail_time, attacker_index, character_id, corporation_id, alliance_id, faction_id, "
        "ship_type_id, weapon_type_id, damage_done, final_blow, security_status"
    ),
    "killmail_items": (
        "killmail_id, killmail_time, item_index, parent_index, item_type_id, flag, singleton, quantity_destroyed, "
        "quantity_dropped"
    ),
}
"""The columns that are written, in the order of the rows; `stored_at` is the database's."""
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MAX_KNOWN = 200_000
NULL = b"\xff\xff\xff\xff"
KILLMAIL, ATTACKER, ITEM = (1 + columns.count(",") for columns in COLUMNS.values())
"""The columns of a row, which are written before it; each value follows its length in bytes, -1 for null."""
_BIGINT, _LENGTH, _KEY, _POSITION = Struct(">iq"), Struct(">i"), Struct(">iqiq"), Struct(">ididid")
_KILLMAIL, _ATTACKER, _ATTACKER_END = Struct(">h24s"), Struct(">h24sii"), Struct(">iqi?id")
_ITEM, _CONTAINED = Struct(">h24siiiiqiqiq"), Struct(">h24siiiiiqiqiq")


class _Packed(dict[int | None, bytes]):
    """Nullable bigints as bytes; the same ids come again and again."""

    def __missing__(self, value: int | None) -> bytes:
        if len(self) >= MAX_KNOWN:
            self.clear()
        packed = self[value] = NULL if value is None else _BIGINT.pack(8, value)
        return packed


_packed = _Packed()


@dataclass
class KillmailRows:
    """The rows of killmails, by table."""

    killmails: bytearray = field(default_factory=lambda: bytearray(HEADER))
    killmail_attackers: bytearray = field(default_factory=lambda: bytearray(HEADER))
    killmail_items: bytearray = field(default_factory=lambda: bytearray(HEADER))
    attackers: int = 0
    items: int = 0
    characters: _Packed = field(default_factory=_Packed)
    corporations: _Packed = field(default_factory=_Packed)
    alliances: _Packed = field(default_factory=_Packed)
    types: _Packed = field(default_factory=_Packed)
    item_types: set[int] = field(default_factory=set)

    @property
    def mentioned(self) -> dict[EntityKind, set[int]]:
        """The ids of these killmails in every one of the PLACES, by kind of entity."""
        packed = {
            EntityKind.CHARACTER: self.characters,
            EntityKind.CORPORATION: self.corporations,
            EntityKind.ALLIANCE: self.alliances,
            EntityKind.TYPE: self.types,
        }
        mentioned = {kind: {id_ for id_ in ids if id_ is not None} for kind, ids in packed.items()}
        mentioned[EntityKind.TYPE] |= self.item_types
        return mentioned

    def copy(self, connection: Connection, table: str, target: str) -> None:
        """Copy the rows of a table to a target of the same columns."""
        cursor = cast("Cursor[Any]", connection.connection.cursor())
        with cursor.copy(f"copy {target} ({COLUMNS[table]}) from stdin (format binary)") as copy:
            copy.write(getattr(self, table))
            copy.write(END)


def pack_killmails(killmails: "Iterable[Killmail | PlainKillmail]", source: str) -> KillmailRows:
    """The rows of checked killmails, which `source` has brought."""
    rows = KillmailRows()
    name = source.encode()
    from_source = _LENGTH.pack(len(name)) + name
    for killmail in killmails:
        microseconds = (killmail.killmail_time - EPOCH) // MICROSECOND
        key = _KEY.pack(8, killmail.killmail_id, 8, microseconds)
        rows.killmails += _killmail_row(rows, killmail, key) + from_source
        _add_attackers(rows, killmail, key)
        _add_items(rows, killmail, key)
    return rows


def _killmail_row(rows: KillmailRows, killmail: "Killmail | PlainKillmail", key: bytes) -> bytes:
    victim, position = killmail.victim, killmail.victim.position
    return b"".join(
        (
            _KILLMAIL.pack(KILLMAIL, key),
            _LENGTH.pack(40),
            killmail.killmail_hash.encode(),
            _packed[killmail.solar_system_id],
            _packed[killmail.moon_id],
            _packed[killmail.war_id],
            rows.characters[victim.character_id],
            rows.corporations[victim.corporation_id],
            rows.alliances[victim.alliance_id],
            _packed[victim.faction_id],
            rows.types[victim.ship_type_id],
            _packed[victim.damage_taken],
            _POSITION.pack(8, position.x, 8, position.y, 8, position.z) if position else 3 * NULL,
        )
    )


def _add_attackers(rows: KillmailRows, killmail: "Killmail | PlainKillmail", key: bytes) -> None:
    attackers = cast("list[Attacker]", killmail.attackers)
    characters, corporations, alliances, types = rows.characters, rows.corporations, rows.alliances, rows.types
    for index, attacker in enumerate(attackers):
        rows.killmail_attackers += b"".join(
            (
                _ATTACKER.pack(ATTACKER, key, 4, index),
                characters[attacker.character_id],
                corporations[attacker.corporation_id],
                alliances[attacker.alliance_id],
                _packed[attacker.faction_id],
                types[attacker.ship_type_id],
                types[attacker.weapon_type_id],
                _ATTACKER_END.pack(8, attacker.damage_done, 1, attacker.final_blow, 8, attacker.security_status),
            )
        )
    rows.attackers += len(attackers)


def _add_items(rows: KillmailRows, killmail: "Killmail | PlainKillmail", key: bytes) -> None:
    """Add every item row with the index of its container, containers before their contents."""
    index, add, mention = 0, rows.killmail_items.extend, rows.item_types.add
    for item in cast("list[Item]", killmail.victim.items or ()):
        add(
            _ITEM.pack(ITEM, key, 4, index, -1, 8, item.item_type_id, 8, item.flag, 8, item.singleton)
            + _packed[item.quantity_destroyed]
            + _packed[item.quantity_dropped]
        )
        mention(item.item_type_id)
        container = index
        index += 1
        for inside in item.items or ():
            add(
                _CONTAINED.pack(
                    *(ITEM, key, 4, index, 4, container),
                    *(8, inside.item_type_id, 8, inside.flag, 8, inside.singleton),
                )
                + _packed[inside.quantity_destroyed]
                + _packed[inside.quantity_dropped]
            )
            mention(inside.item_type_id)
            index += 1
    rows.items += index

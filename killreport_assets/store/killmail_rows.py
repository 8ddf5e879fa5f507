"""The rows of killmails for PostgreSQL's `COPY … (format binary)`: which column gets what, packed as bytes.

One place for every way into the tables. The format: https://www.postgresql.org/docs/current/sql-copy.html
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy.engine import Connection

if TYPE_CHECKING:
    from psycopg import Cursor

    from killreport_assets.models.killmail import Attacker, Killmail
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
_bigint, _integer, _position = Struct(">iq"), Struct(">ii"), Struct(">ididid")
_key, _count = Struct(">iqiq"), Struct(">h")
_attacker_end, _item_type = Struct(">iqi?id"), Struct(">iqiqiq")
NULL = b"\xff\xff\xff\xff"


class _Packed(dict[int | None, bytes]):
    """Nullable bigints as bytes; the same ids come again and again."""

    def __missing__(self, value: int | None) -> bytes:
        if len(self) >= MAX_KNOWN:
            self.clear()
        packed = self[value] = NULL if value is None else _bigint.pack(8, value)
        return packed


_packed = _Packed()
_KILLMAIL, _ATTACKER, _ITEM = (_count.pack(1 + columns.count(",")) for columns in COLUMNS.values())


@dataclass
class KillmailRows:
    """The rows of killmails, by table."""

    killmails: bytearray = field(default_factory=lambda: bytearray(HEADER))
    killmail_attackers: bytearray = field(default_factory=lambda: bytearray(HEADER))
    killmail_items: bytearray = field(default_factory=lambda: bytearray(HEADER))
    attackers: int = 0
    items: int = 0

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
    from_source = _integer.pack(len(name), 0)[:4] + name
    for killmail in killmails:
        microseconds = (killmail.killmail_time - EPOCH) // MICROSECOND
        key = _key.pack(8, killmail.killmail_id, 8, microseconds)
        rows.killmails += _killmail_row(killmail, key) + from_source
        _add_attackers(rows, killmail, key)
        _add_items(rows, killmail, key)
    return rows


def _killmail_row(killmail: "Killmail | PlainKillmail", key: bytes) -> bytes:
    victim, position = killmail.victim, killmail.victim.position
    return b"".join(
        (
            _KILLMAIL,
            key,
            b"\0\0\0\x28",
            killmail.killmail_hash.encode(),
            _packed[killmail.solar_system_id],
            _packed[killmail.moon_id],
            _packed[killmail.war_id],
            _packed[victim.character_id],
            _packed[victim.corporation_id],
            _packed[victim.alliance_id],
            _packed[victim.faction_id],
            _packed[victim.ship_type_id],
            _packed[victim.damage_taken],
            _position.pack(8, position.x, 8, position.y, 8, position.z) if position else 3 * NULL,
        )
    )


def _add_attackers(rows: KillmailRows, killmail: "Killmail | PlainKillmail", key: bytes) -> None:
    for index, attacker in enumerate(cast("list[Attacker]", killmail.attackers)):
        rows.killmail_attackers += b"".join(
            (
                _ATTACKER,
                key,
                _integer.pack(4, index),
                _packed[attacker.character_id],
                _packed[attacker.corporation_id],
                _packed[attacker.alliance_id],
                _packed[attacker.faction_id],
                _packed[attacker.ship_type_id],
                _packed[attacker.weapon_type_id],
                _attacker_end.pack(8, attacker.damage_done, 1, attacker.final_blow, 8, attacker.security_status),
            )
        )
    rows.attackers += len(killmail.attackers)


def _add_items(rows: KillmailRows, killmail: "Killmail | PlainKillmail", key: bytes) -> None:
    """Add every item row with the index of its container, containers before their contents."""
    index = 0
    for item in killmail.victim.items or ():
        rows.killmail_items += _item_row(item, key, index, NULL)
        index += 1
        if item.items:
            container = _integer.pack(4, index - 1)
            for inside in item.items:
                rows.killmail_items += _item_row(inside, key, index, container)
                index += 1
    rows.items += index


def _item_row(item: Any, key: bytes, index: int, container: bytes) -> bytes:
    return b"".join(
        (
            _ITEM,
            key,
            _integer.pack(4, index),
            container,
            _item_type.pack(8, item.item_type_id, 8, item.flag, 8, item.singleton),
            _packed[item.quantity_destroyed],
            _packed[item.quantity_dropped],
        )
    )

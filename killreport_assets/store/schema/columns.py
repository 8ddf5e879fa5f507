"""The columns that tables are made of, and the one metadata. The tables are in tables.py and beside it."""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
Timestamp = sa.DateTime(timezone=True)
Row = dict[str, Any]
"""Values by column; SQLAlchemy knows no closer type."""


EVERYWHERE = {
    "alliance_id": "the alliance",
    "category_id": "the item category",
    "character_id": "the character",
    "character_name": "the character's name",
    "constellation_id": "the constellation",
    "corporation_id": "the corporation",
    "corporation_name": "the corporation's name",
    "creator_id": "the character that founded it",
    "date_founded": "when it was founded",
    "entity_id": "the entity",
    "entity_kind": "character, corporation, alliance or type",
    "flag_id": "the number of a slot or bay",
    "faction_id": "the NPC faction",
    "feed": "the feed's name",
    "group_id": "the item group",
    "killmail_hash": "40 hex digits, with which ESI gives the body",
    "killmail_id": "the killmail",
    "killmail_time": "when the victim was killed, UTC",
    "market_group_id": "the group on the market",
    "message_id": "the message's natural key",
    "meta_group_id": "Tech I, Tech II, Faction, …",
    "name": "EVE's name, in English",
    "published": "whether CCP shows it in the game",
    "queue": "the work queue",
    "region_id": "the region",
    "ship_type_id": "the hull that was flown",
    "system_id": "the solar system",
    "ticker": "the short name between brackets",
    "type_id": "the item type",
}
"""What a column means in every table that does not say more about it."""


def key_column(table: sa.Table) -> sa.Column[Any]:
    """The key of a table whose key is one column."""
    [key] = table.primary_key
    return key


def _column(name: str, kind: Any, comment: str | None, **options: Any) -> sa.Column[Any]:
    return sa.Column(name, kind, comment=comment or EVERYWHERE.get(name), **options)


def bigint(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    """An id, or a number that may be as large."""
    return _column(name, sa.BigInteger, comment, nullable=not required)


def id_key(name: str, comment: str | None = None) -> sa.Column[Any]:
    """An id of EVE's, or of this platform, that is the key of its table, or part of it."""
    return _column(name, sa.BigInteger, comment, primary_key=True, autoincrement=False)


def text(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    """A text of any length."""
    return _column(name, sa.Text, comment, nullable=not required)


def real(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    """A double."""
    return _column(name, sa.Double, comment, nullable=not required)


def isk(name: str, comment: str | None = None) -> sa.Column[Any]:
    """An amount of ISK with its cents, exact."""
    return sa.Column(name, sa.Numeric(24, 2), comment=f"ISK, {comment}" if comment else "ISK")


def time(name: str, comment: str | None = None, *, required: bool = False, now: bool = False) -> sa.Column[Any]:
    """A moment; with `now` that of the insert, unless another is given."""
    default = sa.text("now()") if now else None
    return _column(name, Timestamp, comment, nullable=not required, server_default=default)


def flag(name: str, comment: str | None = None) -> sa.Column[Any]:
    """True, false, or unknown."""
    return _column(name, sa.Boolean, comment)

"""The columns that tables are made of, and the one metadata. The tables are in tables.py and beside it."""

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData()
Timestamp = sa.DateTime(timezone=True)
Row = dict[str, Any]
"""Values by column; SQLAlchemy knows no closer type."""


def key_column(table: sa.Table) -> sa.Column[Any]:
    """The key of a table whose key is one column."""
    [key] = table.primary_key
    return key


def bigint(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    """An id, or a number that may be as large."""
    return sa.Column(name, sa.BigInteger, nullable=not required, comment=comment)


def text(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    """A text of any length."""
    return sa.Column(name, sa.Text, nullable=not required, comment=comment)


def real(name: str, comment: str | None = None) -> sa.Column[Any]:
    """A double."""
    return sa.Column(name, sa.Double, comment=comment)


def isk(name: str, comment: str | None = None) -> sa.Column[Any]:
    """An amount of ISK with its cents, exact."""
    return sa.Column(name, sa.Numeric(24, 2), comment=f"ISK, {comment}" if comment else "ISK")


def time(name: str, comment: str | None = None, *, required: bool = False, now: bool = False) -> sa.Column[Any]:
    """A moment; with `now` that of the insert, unless another is given."""
    default = sa.text("now()") if now else None
    return sa.Column(name, Timestamp, nullable=not required, server_default=default, comment=comment)


def flag(name: str, comment: str | None = None) -> sa.Column[Any]:
    """True, false, or unknown."""
    return sa.Column(name, sa.Boolean, comment=comment)

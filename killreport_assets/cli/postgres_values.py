"""PostgreSQL's values that Python's types do not hold, read as PostgreSQL writes them: for `killreport sql`.

How they are printed is in output.py.
"""

from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types import datetime

from killreport_assets.base.plain import JsonText


class PostgresText(str):
    """The text of a value that is no text in PostgreSQL: a spreadsheet takes none of them for a formula."""

    __slots__ = ()


class _AsText(Loader):
    def load(self, data: Buffer) -> PostgresText:
        return PostgresText(bytes(data).decode())


class _AsJson(Loader):
    def load(self, data: Buffer) -> JsonText:
        return JsonText(bytes(data).decode())


class _OrText:
    """Loads Python's type where it can: not infinity, nor years before 1 or after 9999, nor 24:00."""

    def load(self, data: Buffer) -> Any:
        try:
            return super().load(data)  # type: ignore[misc]
        except (psycopg.DataError, ValueError):
            return PostgresText(bytes(data).decode())


_LOADERS: dict[str, type[Loader]] = {"interval": _AsText, "json": _AsJson, "jsonb": _AsJson} | {
    name: type(loader.__name__, (_OrText, loader), {})
    for name, loader in {
        "date": datetime.DateLoader,
        "time": datetime.TimeLoader,
        "timetz": datetime.TimetzLoader,
        "timestamp": datetime.TimestampLoader,
        "timestamptz": datetime.TimestamptzLoader,
    }.items()
}


def read_every_value(connection: "psycopg.Connection[Any]") -> None:
    """Let a connection read every value that PostgreSQL has; an interval is text, since its months have no length."""
    for name, loader in _LOADERS.items():
        connection.adapters.register_loader(name, loader)

"""Where text enters PostgreSQL: every text parameter of every statement is made storable here, whatever its table.

Services have sent NUL and halves of surrogate pairs in names (esi-issues #947).
"""

import json
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.types import string

from killreport_assets.base.text import storable, storable_json


class _Storable:
    """Makes text storable if PostgreSQL would refuse it; other text costs nothing more."""

    def dump(self, text: str) -> Buffer | None:
        try:
            dumped: Buffer | None = super().dump(text)  # type: ignore[misc]
        except (psycopg.DataError, UnicodeEncodeError):
            dumped = super().dump(storable(text))  # type: ignore[misc]
        return dumped


def register_storable_text() -> None:
    """Let all connections of psycopg make text storable; in psycopg's own order, since the last is the default."""
    for dumper in (
        string.StrBinaryDumperName,
        string.StrBinaryDumperVarchar,
        string.StrBinaryDumper,
        string.StrDumperName,
        string.StrDumperVarchar,
        string.StrDumper,
        string.StrDumperUnknown,
    ):
        psycopg.adapters.register_dumper(str, type(dumper.__name__, (_Storable, dumper), {}))


def storable_json_text(value: Any) -> str:
    """Return the JSON text of a value for a json or jsonb column."""
    return json.dumps(storable_json(value))


register_storable_text()

"""Values for JSON and for text: times in ISO 8601, decimals as numbers, bytes as hex, unknown types as text.

How rows are printed is in cli/output.py.
"""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

MAX_EXACT = Decimal(10) ** 300
"""Below it a whole decimal is an exact number of JSON; Python's own limit is at 4,300 digits."""


class JsonText(str):
    """A JSON value as PostgreSQL writes it."""

    __slots__ = ()


def plain(value: object) -> Any:
    """Convert a value, and the values in it, to JSON's types; NaN and infinity, which JSON does not have, to null."""
    if isinstance(value, JsonText):
        return plain(json.loads(value, parse_int=Decimal, parse_float=Decimal))
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return _number(value)
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, Mapping):
        return {f"{key:g}" if isinstance(key, float) else str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    return value if isinstance(value, str | int | None) else str(value)


def as_text(value: object) -> str:
    """Return a value as text: JSON for arrays and objects, NaN and Infinity in PostgreSQL's words, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return str(Decimal(value))
    if isinstance(value, Decimal):
        digits = f"{value:f}"
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value) if isinstance(value, str | int) else str(plain(value))


def _number(value: Decimal) -> int | float | str | None:
    """Return the nearest number of JSON, and text for what no float reaches."""
    if not value.is_finite():
        return None
    if abs(value) < MAX_EXACT and value == value.to_integral_value():
        return int(value)
    number = float(value)
    return number if math.isfinite(number) else str(value)

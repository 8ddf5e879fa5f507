"""Values for JSON: times in ISO 8601, decimals as numbers, unknown types as text."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any


def plain(value: object) -> Any:
    """Convert a value, and the values in it, to JSON's types."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, Mapping):
        return {f"{key:g}" if isinstance(key, float) else str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(element) for element in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)

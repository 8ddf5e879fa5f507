"""Text that PostgreSQL can store, and text that is safe to show."""

import unicodedata
from typing import Any

_UNPRINTABLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of control and format characters (ANSI escapes, C1, bidirectional overrides, zero width), halves
of surrogate pairs, and separators of lines: https://www.unicode.org/reports/tr44/#General_Category_Values"""


def printable(text: str) -> str:
    """Escape what moves a cursor, hides or reorders text, or begins a line: for every name that people read."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    return character.encode("unicode_escape").decode()


def storable(text: str) -> str:
    """Escape NUL and lone surrogates, which PostgreSQL refuses."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\u0000")


def storable_json(value: Any) -> Any:
    """Escape them in every text of a JSON value."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable_json(name): storable_json(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [storable_json(inner) for inner in value]
    return value

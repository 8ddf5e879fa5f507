"""Text that PostgreSQL can store, and text that is safe to show."""

from typing import Any


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

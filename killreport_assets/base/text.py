"""Text that PostgreSQL can store."""


def storable(text: str) -> str:
    """Escape NUL and lone surrogates, which PostgreSQL refuses."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\u0000")

"""Text as PostgreSQL can hold it."""


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which are written out: PostgreSQL would refuse the row."""
    return text.encode(errors="backslashreplace").decode().replace("\x00", "\\u0000")

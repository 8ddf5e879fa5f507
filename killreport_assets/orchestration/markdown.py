"""Markdown of metadata in Dagster's UI: tables and lists of values, shown as they are, whatever is in a name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from killreport_assets.base.plain import as_text
from killreport_assets.base.text import printable

_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&])")
"""What means something in Markdown, https://spec.commonmark.org/0.31.2/#backslash-escapes, or in its tables."""
_BEGINNING = re.compile(r"^(\s*\d*)([-=.])")
"""What begins a list or a heading, at the beginning of a line only."""


def in_markdown(value: object) -> str:
    """Return a value as text that Markdown shows literally, in one line."""
    escaped = _MARKUP.sub(r"\\\1", printable(as_text(value)).strip())
    return _BEGINNING.sub(r"\1\\\2", escaped)


def markdown_table(rows: Sequence[Mapping[Any, object]]) -> str:
    """Return rows with the same columns as a table; nothing for none."""
    if not rows:
        return ""
    lines = [list(map(in_markdown, rows[0])), ["---"] * len(rows[0]), *(map(in_markdown, row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def markdown_list(lines: Iterable[object]) -> str:
    """Return values as a list."""
    return "\n".join(f"- {in_markdown(line)}" for line in lines)

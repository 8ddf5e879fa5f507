"""The words: a short list of those that are not used; the ones to use instead are in docs/glossary.md."""

import re
from pathlib import Path

import pytest

from killreport_assets.base.files import PACKAGE

ROOT = PACKAGE.parent
INSTEAD = {
    r"bury|buried|buries": "dead letter",
    r"believes?|believed": "reconcile",
    r"doubts?|doubted": "mark as stale",
    r"heeds?": "obey, or say what is done",
    r"patiently|patience": "retry, timeout",
    r"whoever|somebody|nobody|everybody": "a process, a user, no one in particular: say which",
    r"anew": "again",
    r"in vain": "without an answer",
    r"MOST_[A-Z]\w*": "max_…, MAX_…",
    r"dice": "rng",
    r"urgent lane": "priority lane",
    r"delay tiers?": "retry delay",
    r"put off|puts off|putting off": "delayed, deferred",
    r"parked|parks": "deferred",
    r"drains?|drained|draining": "worker, consume (but for the names drain_<queue> and KILLREPORT_DRAIN_RUNS)",
    r"(?:is|are|was|were|been) told": "say what is known or set",
}
"""Regular expressions of words, and what to say instead."""
FROZEN = ("database/migrations/versions/",)
READ_BY_PEOPLE = [
    *PACKAGE.rglob("*.py"),
    *PACKAGE.rglob("*.html"),
    *PACKAGE.rglob("*.sql"),
    *(ROOT / "docs").glob("*.md"),
    *ROOT.glob("*.md"),
    ROOT / "Makefile",
    *(path for path in (ROOT / "dbt_transforms").rglob("*") if path.suffix in {".sql", ".yml", ".csv"}),
]
FILES = [
    path
    for path in READ_BY_PEOPLE
    if not {"target", "logs", "glossary.md", "CHANGELOG.md"} & set(path.parts)
    and not any(part in path.as_posix() for part in FROZEN)
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_uses_the_words_of_the_field(path: Path) -> None:
    text = path.read_text()
    found = [
        f"{path.name}:{text.count(chr(10), 0, word.start()) + 1}: {word[0]!r}: {instead}"
        for words, instead in INSTEAD.items()
        for word in re.finditer(rf"\b(?:{words})\b", text, re.IGNORECASE if words.islower() else 0)
    ]
    assert found == []

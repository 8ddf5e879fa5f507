"""The genuine killmails, read without the code under test, and ways to spoil them."""

import copy
import json
from functools import cache
from typing import Any

from killreport_assets.base.files import PACKAGE
from killreport_assets.models.killmail import KillmailBody

KILLMAILS = PACKAGE / "sandbox" / "data" / "killmails.jsonl"
DATA = PACKAGE.parent / "killreport_assets_tests" / "data"


@cache
def records() -> tuple[dict[str, Any], ...]:
    """Every line of the file: killmail_id, killmail_hash, esi, tags, zkb."""
    return tuple(json.loads(line) for line in KILLMAILS.read_text().splitlines())


def record(killmail_id: int) -> dict[str, Any]:
    """One line, as a copy that may be spoilt."""
    found = next(line for line in records() if line["killmail_id"] == killmail_id)
    return copy.deepcopy(found)


def tagged(tag: str) -> list[dict[str, Any]]:
    """The lines that have a tag."""
    return [line for line in records() if tag in line["tags"]]


def bodies(count: int | None = None) -> list[KillmailBody]:
    """Bodies as a source would give them."""
    return [KillmailBody(line["esi"], line["killmail_hash"]) for line in records()[:count]]


def spec(operation: str) -> dict[str, Any]:
    """The official schema of an operation's 200 body, `GET /characters/{character_id}`."""
    routes = json.loads((DATA / "esi_routes.2026-08-18.json").read_text())
    schema: dict[str, Any] = routes[operation]["response_200"]
    return schema

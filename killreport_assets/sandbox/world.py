"""What the sandbox knows: the genuine killmails, which service holds which of them, and the static data."""

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from importlib import resources
from typing import Any, Literal

Part = Literal["r2z2", "everef", "zkillboard", "zkillboard_ids"]
Record = dict[str, Any]

BODIES_CHARACTER = 580797163
"""A pilot of many genuine killmails, whose list on the sandbox's zKillboard has whole bodies."""
IDS_CHARACTER = 780702065
"""Another, whose list has ids and hashes only, as zKillboard's lists had until 2026-06-27."""
FIRST_SEQUENCE = 900_001
"""The feed's first entry."""
NEWEST_TYPES = 50
"""How many of the newest types that killmails mention the sandbox's export lacks, as after a patch."""


@dataclass(frozen=True)
class GenuineKillmail:
    """One genuine killmail: ESI's body, its hash, and zKillboard's block where there is one."""

    body: Record
    hash: str
    zkb: Record | None
    part: Part

    @property
    def id(self) -> int:
        """Its killmail_id."""
        killmail_id: int = self.body["killmail_id"]
        return killmail_id

    @property
    def day(self) -> date:
        """The UTC day of the kill."""
        return datetime.fromisoformat(self.body["killmail_time"]).date()

    @property
    def character_ids(self) -> set[int]:
        """The characters on it."""
        return {p["character_id"] for p in participants(self.body) if "character_id" in p}


def participants(body: Record) -> list[Record]:
    """The attackers and the victim."""
    return [*body["attackers"], body["victim"]]


def type_ids(body: Record) -> set[int]:
    """Every type that a killmail mentions."""
    found = {p[key] for p in participants(body) for key in ("ship_type_id", "weapon_type_id") if key in p}
    for item in body["victim"].get("items", []):
        found |= {item["item_type_id"]} | {inner["item_type_id"] for inner in item.get("items", [])}
    return found


def _part(killmail_id: int, body: Record, zkb: Record | None) -> Part:
    """Which service brings it: each killmail has one, so that every source has work of its own."""
    pilots = {p.get("character_id") for p in participants(body)}
    if zkb is None:
        return "everef"
    if BODIES_CHARACTER in pilots and killmail_id % 2:
        return "zkillboard"
    if IDS_CHARACTER in pilots and killmail_id % 2:
        return "zkillboard_ids"
    return "r2z2" if killmail_id % 3 else "everef"


def _data(name: str) -> str:
    return (resources.files("killreport_assets.sandbox") / "data" / name).read_text()


class World:
    """The sandbox's fixed content."""

    def __init__(self) -> None:
        self.killmails: dict[int, GenuineKillmail] = {}
        for line in _data("killmails.jsonl").splitlines():
            record = json.loads(line)
            body, zkb = record["esi"], record.get("zkb")
            part = _part(record["killmail_id"], body, zkb)
            self.killmails[record["killmail_id"]] = GenuineKillmail(body, record["killmail_hash"], zkb, part)
        self.market_history: list[Record] = list(map(json.loads, _data("market_history_forge.jsonl").splitlines()))
        self.static: dict[str, list[Record]] = json.loads(_data("static.json"))

    def part(self, part: Part) -> list[GenuineKillmail]:
        """The killmails that one service brings, oldest first."""
        return [killmail for killmail in self.killmails.values() if killmail.part == part]

    def by_id(self, table: str) -> dict[int, Record]:
        """A static table by its id."""
        return self._static_by_id[table]

    @cached_property
    def _static_by_id(self) -> dict[str, dict[int, Record]]:
        return {
            table: {next(iter(row.values())): row for row in rows}
            for table, rows in self.static.items()
            if isinstance(rows, list)
        }

    @cached_property
    def newest_types(self) -> set[int]:
        """The types that only ESI knows yet."""
        mentioned = set().union(*(type_ids(killmail.body) for killmail in self.killmails.values()))
        return set(sorted(mentioned)[-NEWEST_TYPES:])

    @cached_property
    def affiliations(self) -> dict[int, tuple[int, int | None]]:
        """Each character's corporation and alliance, as of its latest killmail."""
        latest: dict[int, tuple[int, int | None]] = {}
        for killmail in sorted(self.killmails.values(), key=lambda killmail: str(killmail.body["killmail_time"])):
            for pilot in participants(killmail.body):
                if "character_id" in pilot and "corporation_id" in pilot:
                    latest[pilot["character_id"]] = (pilot["corporation_id"], pilot.get("alliance_id"))
        return latest

    @cached_property
    def alliance_of(self) -> dict[int, int | None]:
        """Each corporation's alliance, as of its latest killmail."""
        latest: dict[int, int | None] = {}
        for killmail in sorted(self.killmails.values(), key=lambda killmail: str(killmail.body["killmail_time"])):
            for pilot in participants(killmail.body):
                if "corporation_id" in pilot:
                    latest[pilot["corporation_id"]] = pilot.get("alliance_id")
        return latest

    @cached_property
    def alliances(self) -> set[int]:
        """Every alliance that a killmail mentions."""
        return {p["alliance_id"] for k in self.killmails.values() for p in participants(k.body) if "alliance_id" in p}

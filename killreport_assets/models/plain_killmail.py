"""A fast way to decode the usual killmail: exactly ESI's fields, each of the exact type and within its range.

What is not plain may still be a good killmail: `check` in killmail.py judges it, and gives the same rows for what is
plain. The shape is that of ESI's `GET /killmails/{killmail_id}/{killmail_hash}`, with the two fields that EVE Ref adds.
"""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from killreport_assets.models.killmail import BIGGEST_BIGINT, compute_hash, is_possible_time

PlainId = Annotated[int, Meta(ge=0, le=BIGGEST_BIGINT)]
PlainTime = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$")]


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """No field but these."""


class PlainContainedItem(_Plain):
    """One item row inside another."""

    item_type_id: PlainId
    flag: PlainId
    singleton: PlainId
    quantity_destroyed: PlainId | None = None
    quantity_dropped: PlainId | None = None


class PlainItem(PlainContainedItem):
    """One item row."""

    items: list[PlainContainedItem] | None = None


class PlainPosition(_Plain):
    """Metres relative to the sun."""

    x: float
    y: float
    z: float


class PlainAttacker(_Plain):
    """One attacker."""

    damage_done: PlainId
    final_blow: bool
    security_status: float
    character_id: PlainId | None = None
    corporation_id: PlainId | None = None
    alliance_id: PlainId | None = None
    faction_id: PlainId | None = None
    ship_type_id: PlainId | None = None
    weapon_type_id: PlainId | None = None


class PlainVictim(_Plain):
    """The victim."""

    ship_type_id: PlainId
    damage_taken: PlainId
    character_id: PlainId | None = None
    corporation_id: PlainId | None = None
    alliance_id: PlainId | None = None
    faction_id: PlainId | None = None
    items: list[PlainItem] | None = None
    position: PlainPosition | None = None


class _PlainMember(_Plain):
    """A killmail as an archive has it."""

    killmail_id: Annotated[int, Meta(gt=0, le=BIGGEST_BIGINT)]
    killmail_time: PlainTime
    solar_system_id: PlainId
    attackers: list[PlainAttacker]
    victim: PlainVictim
    killmail_hash: str
    http_last_modified: object = None
    moon_id: PlainId | None = None
    war_id: PlainId | None = None


class PlainKillmail(msgspec.Struct, gc=False):
    """A whole killmail, checked, with the names of `Killmail`."""

    killmail_id: int
    killmail_time: datetime
    killmail_hash: str
    solar_system_id: int
    moon_id: int | None
    war_id: int | None
    attackers: list[PlainAttacker]
    victim: PlainVictim


_decode = msgspec.json.Decoder(_PlainMember).decode


def plain_killmail(content: bytes) -> PlainKillmail | None:
    """Decode a member of an archive; None if it is not certainly a killmail that `check` accepts."""
    try:
        member = _decode(content)
        time = datetime.fromisoformat(member.killmail_time)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    if not is_possible_time(time):
        return None
    final_blows = [attacker for attacker in member.attackers if attacker.final_blow]
    if len(final_blows) != 1:
        return None
    victim = member.victim
    if member.killmail_hash != compute_hash(
        victim.character_id, final_blows[0].character_id, victim.ship_type_id, time
    ):
        return None
    return PlainKillmail(
        member.killmail_id,
        time,
        member.killmail_hash,
        member.solar_system_id,
        member.moon_id,
        member.war_id,
        member.attackers,
        victim,
    )

"""The shape of a killmail's body, checked before it is stored, and its computable hash.

Checks only; store/killmails.py writes. The shape is that of ESI's `GET /killmails/{killmail_id}/{killmail_hash}`.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeGuard

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

FILETIME_EPOCH = 116_444_736_000_000_000  # 1970-01-01 in Windows' 100 ns ticks since 1601
BIGGEST_BIGINT = 2**63 - 1


FIRST_KILLMAIL = datetime(2003, 5, 6, tzinfo=UTC)
"""EVE's first day."""


def _text_or_datetime(value: object) -> object:
    if not isinstance(value, str | datetime):
        raise ValueError("must be a date and time in ISO 8601")  # noqa: TRY004 - pydantic needs a ValueError
    return value


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("must have a time zone")
    try:
        time = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None
    if not is_possible_time(time):
        raise ValueError(f"{time:%Y-%m-%d} is before EVE's first day or in the future")
    return time


def is_possible_time(time: datetime) -> bool:
    """Whether a killmail can be of this time: since EVE's first day, and not in the future but for a day's clocks."""
    return FIRST_KILLMAIL <= time <= datetime.now(UTC) + timedelta(days=1)


def recorded_hash(value: object) -> str | None:
    """Return the hash that a source gives, or None: feeds have sent blank ones (zKillboard #120)."""
    return value.strip() or None if isinstance(value, str) else None


def is_killmail_id(value: object) -> TypeGuard[int]:
    """Whether the value can be a killmail's id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= BIGGEST_BIGINT


def is_killmail_hash(value: object) -> TypeGuard[str]:
    """Whether the value has the form of a killmail hash: 40 hex digits."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{40}", value.strip(), re.ASCII) is not None


Id = Annotated[int, Field(ge=0, le=BIGGEST_BIGINT)]
UtcTime = Annotated[datetime, Field(strict=False), BeforeValidator(_text_or_datetime), AfterValidator(_utc)]


class _Body(BaseModel):
    # strict: a body with an id as a string is broken
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class ContainedItem(_Body):
    """One item row inside another; it contains nothing itself (the specification has two levels)."""

    item_type_id: Id
    flag: Id
    singleton: Id
    quantity_destroyed: Id | None = None
    quantity_dropped: Id | None = None
    items: Annotated[list[Any], Field(max_length=0)] | None = None


class Item(_Body):
    """One item row; `items` are the contents of a container or of an assembled ship."""

    item_type_id: Id
    flag: Id
    singleton: Id
    quantity_destroyed: Id | None = None
    quantity_dropped: Id | None = None
    items: list[ContainedItem] | None = None  # not []: pydantic would copy it for every row


class Position(_Body):
    """Metres relative to the sun."""

    x: float
    y: float
    z: float


class Attacker(_Body):
    """One attacker; any combination of ids occurs, including none."""

    character_id: Id | None = None
    corporation_id: Id | None = None
    alliance_id: Id | None = None
    faction_id: Id | None = None
    ship_type_id: Id | None = None
    weapon_type_id: Id | None = None
    damage_done: Id
    final_blow: bool
    security_status: float


class Victim(_Body):
    """The victim; structures have no character."""

    character_id: Id | None = None
    corporation_id: Id | None = None
    alliance_id: Id | None = None
    faction_id: Id | None = None
    ship_type_id: Id
    damage_taken: Id
    items: list[Item] | None = None
    position: Position | None = None


class Killmail(_Body):
    """A whole killmail."""

    killmail_id: Annotated[int, Field(gt=0, le=BIGGEST_BIGINT)]
    killmail_time: UtcTime
    solar_system_id: Id
    moon_id: Id | None = None
    war_id: Id | None = None
    attackers: list[Attacker]
    victim: Victim

    @property
    def final_blow(self) -> Attacker:
        """The attacker with the final blow; `check` ensures that there is exactly one."""
        return next(attacker for attacker in self.attackers if attacker.final_blow)

    @property
    def killmail_hash(self) -> str:
        """The killmail's hash."""
        victim = self.victim
        return compute_hash(victim.character_id, self.final_blow.character_id, victim.ship_type_id, self.killmail_time)


def compute_hash(victim_id: int | None, final_blow_id: int | None, ship_type_id: int, time: datetime) -> str:
    """Compute a killmail's hash: sha1 over the victim, the final blow (characters), the hull and the FILETIME.

    It covers these four fields only, not attackers, items or position. Source: zKillboard's mer/load_mer_dump.php;
    verified on every genuine killmail of the sandbox.
    """
    ticks = int(time.timestamp()) * 10_000_000 + FILETIME_EPOCH
    text = f"{victim_id or 'None'}{final_blow_id or 'None'}{ship_type_id}{ticks}"
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class KillmailBody:
    """An unchecked killmail from a source."""

    body: Any
    """The decoded JSON in ESI's shape; None if the source has none."""
    hash: str | None = None
    """The recorded killmail hash, if the source has one: see `recorded_hash`."""
    envelope_id: int | None = None
    """The id that the source gives beside the body."""
    as_received: Any = None
    """What the source sent, if more than the body; kept if the killmail is rejected."""

    @property
    def killmail_id(self) -> int | None:
        """The id of the body, else the source's; None if there is no readable one."""
        own = self.body.get("killmail_id") if isinstance(self.body, dict) else None
        return own if is_killmail_id(own) else self.envelope_id

    @property
    def reference(self) -> tuple[int, str] | None:
        """The id and hash, with which ESI can be asked for the whole killmail; None if one is missing."""
        if self.killmail_id is None or self.hash is None or not is_killmail_hash(self.hash):
            return None
        return self.killmail_id, self.hash.lower()

    @property
    def is_absent(self) -> bool:
        """Whether the source has no body: neither victim nor attackers."""
        return self.body is None or (
            isinstance(self.body, dict) and self.body.get("victim") is None and self.body.get("attackers") is None
        )


class InvalidKillmail(Exception):
    """The body cannot be stored; the message is the reason."""


def check(candidate: KillmailBody) -> Killmail:
    """Parse and check a body.

    Raises:
        InvalidKillmail: the shape is wrong, there is not exactly one final blow, or the hash does not match.
    """
    try:
        killmail = Killmail.model_validate(candidate.body)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        more = f" (and {invalid.error_count() - 1} more)" if invalid.error_count() > 1 else ""
        raise InvalidKillmail(f"{where}: {first['msg']}{more}") from None
    final_blows = sum(attacker.final_blow for attacker in killmail.attackers)
    if final_blows != 1:
        raise InvalidKillmail(f"attackers: {final_blows} have the final blow, exactly one must")
    if candidate.hash is not None and not is_killmail_hash(candidate.hash):
        raise InvalidKillmail("killmail_hash: not 40 hex digits")
    if candidate.hash is not None and killmail.killmail_hash != candidate.hash.strip().lower():
        raise InvalidKillmail(f"killmail_hash: {candidate.hash} is not this body's, which is {killmail.killmail_hash}")
    return killmail

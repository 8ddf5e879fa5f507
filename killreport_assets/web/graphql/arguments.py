"""What callers give: filters, cursors, counts, moments; read and checked."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from graphql import GraphQLError
from sqlalchemy.engine import RowMapping

from killreport_assets.web.entities import KINDS, Kind
from killreport_assets.web.killmails import MAX_PAGE, Filters, Place, Side

MAX_ENTITIES = 5
MAX_RANKS = 100
MAX_DAYS = timedelta(days=366)
FLAGS = {
    "solo": "is_solo_zkb",
    "npc": "is_npc_zkb",
    "awox": "is_awox",
    "ganked": "is_ganked",
    "capital": "is_capital",
    "structure": "is_structure",
    "war": "is_war",
    "padding": "is_padding",
}
PERIODS = {
    "TODAY": "today",
    "WEEK": "week",
    "MONTH": "month",
    "LAST_7_DAYS": "7 days",
    "LAST_90_DAYS": "90 days",
    "ALL": "all",
}
Facts = Mapping[str, Any] | RowMapping


class ApiError(GraphQLError):
    """An error for the caller to read, with a code for programs."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text, extensions={"code": code})


def filters_of(asked: Facts) -> Filters:
    """Read an input KillmailFilter.

    Raises:
        ApiError: it has more entities or ids than allowed.
    """
    chosen = asked.get("entities") or []
    if len(chosen) > MAX_ENTITIES:
        raise ApiError("BAD_USER_INPUT", f"at most {MAX_ENTITIES} entities in a filter")
    ids = asked.get("ids")
    if ids is not None and len(ids) > MAX_PAGE:
        raise ApiError("BAD_USER_INPUT", f"at most {MAX_PAGE} ids in a filter")
    same = ("war_id", "min_value", "max_value", "min_attackers", "max_attackers", "since", "until")
    return Filters(
        entities=tuple((kind_of(one["kind"]), one["id"], Side(one.get("side", "BOTH").lower())) for one in chosen),
        equal={column: asked[flag] for flag, column in FLAGS.items() if asked.get(flag) is not None},
        security_bands=tuple(band.lower().replace("_", "-") for band in asked.get("security_bands") or ()),
        labels=tuple(asked.get("labels") or ()),
        killmail_ids=None if ids is None else tuple(ids),
        **{name: asked[name] for name in same if asked.get(name) is not None},
    )


def kind_of(name: str) -> Kind:
    """The kind of an EntityKind."""
    return KINDS[name.lower()]


def checked_count(asked: int, most: int) -> int:
    """How many were asked for.

    Raises:
        ApiError: none, or more than allowed.
    """
    if not 1 <= asked <= most:
        raise ApiError("BAD_USER_INPUT", f"between 1 and {most} can be asked for at once, not {asked}")
    return asked


def place_of(cursor: str) -> Place:
    """Read a cursor.

    Raises:
        ApiError: it is none of ours.
    """
    try:
        return Place.of_cursor(cursor)
    except ValueError:
        raise ApiError("BAD_USER_INPUT", "after is no cursor of this API: use endCursor of the page before") from None


def moment_of(value: Any) -> datetime:
    """Read a DateTime; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ApiError("BAD_USER_INPUT", "a DateTime is written as 2026-08-21T17:05:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def day_of(value: Any) -> date:
    """Read a Date."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise ApiError("BAD_USER_INPUT", "a Date is written as 2026-08-21") from None

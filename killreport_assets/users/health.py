"""Which users need attention: sign-ins that end, lists that have not been read for too long."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.engine import Connection

from killreport_assets.users.due_times import SHORTEST, idle_time, stretched
from killreport_assets.users.killmail_lists import Intervals, KillmailList, readable_lists
from killreport_assets.users.store import count_by_state, ending_sign_ins

FAILING = timedelta(hours=1)
"""Refreshing that fails for longer needs attention; EVE's sign-in often fails for a short time."""
LATE_AFTER_INTERVALS = 2
"""A list that was not read for this many of its intervals is late."""


@dataclass
class UserHealth:
    """Users by state, ending sign-ins by character with the reason, and lists that are late."""

    states: dict[str, int] = field(default_factory=dict)
    ending: dict[int, str] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    """`kind:subject`."""


def check_users(connection: Connection, intervals: Intervals) -> UserHealth:
    """Check all users."""
    now = datetime.now(UTC)
    late = [one for one in readable_lists(connection, intervals) if _is_late(one, now)]
    return UserHealth(
        count_by_state(connection),
        ending_sign_ins(connection, FAILING),
        [f"{one.kind}:{one.subject_id}" for one in late],
    )


def _is_late(one: KillmailList, now: datetime) -> bool:
    is_empty = one.newest_killmail_id is None
    idle = idle_time(now, one.newest_killmail_at, is_empty, one.created_at)
    # Due lists are queued every five minutes, and a worker run follows: due times are no more precise than that.
    allowed = LATE_AFTER_INTERVALS * stretched(one.interval, idle) + 2 * SHORTEST
    return now - (one.synced_at or one.created_at) > allowed

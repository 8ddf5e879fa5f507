"""When a killmail list is due again: its interval, stretched for the inactive, at its own phase. Pure functions.

The stretching is zKillboard's for characters (cron/1.characters.php); the phase keeps lists apart that were due
together, after an outage for example.
"""

import hashlib
import random
from datetime import UTC, datetime, timedelta

SHORTEST = timedelta(seconds=300)
"""How long ESI caches these lists."""
LOOK_AHEAD = timedelta(seconds=60)
"""A list that is due this soon is queued now; its worker waits at most this long for ESI's cache to expire."""
KEPT = timedelta(days=90)
"""The age up to which ESI lists killmails."""
STRETCHED = (
    (timedelta(days=365), timedelta(days=3)),
    (timedelta(days=90), timedelta(days=1)),
    (timedelta(days=30), timedelta(hours=4)),
    (timedelta(days=7), timedelta(hours=1)),
)
"""Time since the last killmail, and the shortest interval from then on."""
JITTER = 0.05
"""Share of the interval by which due times vary randomly, in both directions."""


def stretched(interval: timedelta, idle: timedelta) -> timedelta:
    """Return the interval of a list whose last killmail is `idle` old."""
    least = next((stretch for age, stretch in STRETCHED if idle >= age), SHORTEST)
    return max(interval, least)


def idle_time(now: datetime, newest: datetime | None, is_empty: bool, known_since: datetime) -> timedelta:
    """Return how long ago the last killmail was.

    Zero if it is not stored yet: it is new then. A list that has always been empty is idle for as long as ESI keeps
    killmails, plus the time since the list is known.
    """
    if newest is not None:
        return now - newest
    return now - known_since + KEPT if is_empty else timedelta()


def next_due(
    now: datetime, interval: timedelta, subject: str, fresh_until: datetime | None, rng: random.Random
) -> datetime:
    """Return the subject's own time nearest to one interval from now, with jitter; never before `fresh_until`.

    Each subject's times are an interval apart; a hash of its name spreads their phase evenly over the interval. So
    lists that were due together are apart after one interval, and stay so.
    """
    seconds: float = interval.total_seconds()
    phase = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) % int(seconds)
    turns = round((now.timestamp() + seconds - phase) / seconds)
    due: datetime = datetime.fromtimestamp(phase + turns * seconds, UTC) + interval * rng.uniform(-JITTER, JITTER)
    return max(due, fresh_until or now, now)


def retry_due(now: datetime, interval: timedelta, failures: int) -> datetime:
    """Return when to retry a list that could not be read: later after each failure, at most one interval from now."""
    return now + min(max(interval, SHORTEST), SHORTEST * (1 << min(failures, 10)))

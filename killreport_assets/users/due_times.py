"""When a killmail list is due again: the interval, stretched for the inactive, at a time of its own. Pure functions.

The stretching is zKillboard's for characters (cron/1.characters.php); a list's own time keeps lists apart that once
were due together, after an outage for example.
"""

import hashlib
import random
from datetime import UTC, datetime, timedelta

SHORTEST = timedelta(seconds=300)
"""ESI caches these lists that long."""
LOOK_AHEAD = timedelta(seconds=60)
"""A list that is due so soon is queued now; its worker waits for the rest of ESI's cache, which is never longer."""
KEPT = timedelta(days=90)
"""ESI lists killmails of this age at most."""
STRETCHED = (
    (timedelta(days=365), timedelta(days=3)),
    (timedelta(days=90), timedelta(days=1)),
    (timedelta(days=30), timedelta(hours=4)),
    (timedelta(days=7), timedelta(hours=1)),
)
"""Time since the last killmail, and the shortest interval then."""
JITTER = 0.05
"""Part of the interval by which due times differ by chance, to either side."""


def stretched(interval: timedelta, idle: timedelta) -> timedelta:
    """The interval of a list whose last killmail is so old."""
    least = next((stretch for age, stretch in STRETCHED if idle >= age), SHORTEST)
    return max(interval, least)


def idle_time(now: datetime, newest: datetime | None, is_empty: bool, known_since: datetime) -> timedelta:
    """How long ago the last killmail was.

    Of one that is not stored yet we know that it is new to us; a list that has always been empty has had none for as
    long as ESI keeps them, and since we look.
    """
    if newest is not None:
        return now - newest
    return now - known_since + KEPT if is_empty else timedelta()


def next_due(
    now: datetime, interval: timedelta, subject: str, fresh_until: datetime | None, rng: random.Random
) -> datetime:
    """The subject's own time that is nearest to an interval from now, with jitter; never before `fresh_until`.

    Each subject has times of its own, an interval apart, spread evenly over the interval by the subject's name: so the
    lists that were due together are apart after one turn, and stay so.
    """
    seconds: float = interval.total_seconds()
    phase = int.from_bytes(hashlib.sha256(subject.encode()).digest()[:8]) % int(seconds)
    turns = round((now.timestamp() + seconds - phase) / seconds)
    due: datetime = datetime.fromtimestamp(phase + turns * seconds, UTC) + interval * rng.uniform(-JITTER, JITTER)
    return max(due, fresh_until or now, now)


def retry_due(now: datetime, interval: timedelta, failures: int) -> datetime:
    """When a list that could not be read is tried again: later after each failure, never later than its interval."""
    return now + min(max(interval, SHORTEST), SHORTEST * (1 << min(failures, 10)))

"""Numbers and times in the headers of answers, which are data from outside: what cannot be meant is None or zero."""

import math
import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests

MAX_FRESH = timedelta(days=7)
"""No service of ours caches longer; more is taken as nonsense and cut."""


def number_of(header: str | None) -> float | None:
    """Read a header as a number; None if it is missing, no number, or not finite."""
    try:
        number = float(header) if header is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def seconds_to_wait(header: str | None) -> float | None:
    """Read Retry-After and its like: seconds, or a date; None if it is neither."""
    if header is None or (seconds := number_of(header)) is not None:
        return seconds if header is not None else None
    at = _time_of(header)
    return (at - datetime.now(UTC)).total_seconds() if at is not None else None


def fresh_for(response: requests.Response) -> timedelta:
    """Return how long the service has nothing newer: Cache-Control's max-age, else Expires, else zero."""
    cache_control = response.headers.get("Cache-Control", "")
    if max_age := re.search(r"max-age=(\d{1,9})(?!\d)", cache_control):
        return min(timedelta(seconds=int(max_age[1])), MAX_FRESH)
    expires, date = (_time_of(response.headers.get(name, "")) for name in ("Expires", "Date"))
    if expires is None or date is None:
        return timedelta()
    return min(max(expires - date, timedelta()), MAX_FRESH)


def _time_of(header: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(header)
        return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return None

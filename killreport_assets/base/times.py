"""Days and moments in UTC, which is EVE's time."""

from datetime import UTC, date, datetime, time


def midnight(day: date) -> datetime:
    """When a UTC day begins."""
    return datetime.combine(day, time(), UTC)

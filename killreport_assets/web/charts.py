"""The geometry of the pages' charts: what charts.html draws as SVG, each with its numbers beside it as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy.engine import RowMapping

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEVELS = 5
MAX_MONTHS = 60
SEGMENT = timedelta(minutes=5)


@dataclass(frozen=True)
class Cell:
    """An hour of a weekday; `level` from 0 (nothing) to `LEVELS`."""

    weekday: int
    hour: int
    value: int
    level: int


@dataclass(frozen=True)
class Month:
    """A month of a year; `level` from 0 (none of it) to `LEVELS` (all of it); None: not known."""

    year: int
    month: int
    share: float | None
    level: int | None


@dataclass(frozen=True)
class Bar:
    """A month, or five minutes: its two numbers and the heights of their bars, from 0 to 100."""

    label: str
    up: float
    down: float
    up_height: float
    down_height: float


def heat_map(values: Mapping[tuple[int, int], int]) -> list[Cell]:
    """All hours of a week from {(weekday 1 to 7, hour): value}; the levels are shares of the largest value."""
    most = max(values.values(), default=0)
    return [
        Cell(weekday, hour, value := values.get((weekday, hour), 0), level(value, most))
        for weekday in range(1, 8)
        for hour in range(24)
    ]


def year_grid(shares: Mapping[tuple[int, int], float]) -> list[list[Month]]:
    """Every month from the first year to the last, by year: only a whole month has the highest level."""
    if not shares:
        return []
    first, last = min(shares)[0], max(shares)[0]
    return [
        [_month(year, month, shares.get((year, month))) for month in range(1, 13)] for year in range(first, last + 1)
    ]


def _month(year: int, month: int, share: float | None) -> Month:
    if share is None:
        return Month(year, month, None, None)
    return Month(year, month, share, LEVELS if share >= 1 else min(LEVELS - 1, level(share, 1)))


def level(value: float, most: float) -> int:
    """The level of a value: 0 is nothing, 1 to `LEVELS` are equal shares of the largest."""
    if value <= 0 or most <= 0:
        return 0
    return min(LEVELS, 1 + int(LEVELS * value / most * 0.999999))


def months(rows: Sequence[tuple[date, float, float]]) -> list[Bar]:
    """Bars of (month, up, down), the newest MAX_MONTHS: months without a row are drawn as nothing."""
    if not rows:
        return []
    by_month = {(month.year, month.month): (up, down) for month, up, down in rows}
    year, month = max(by_month)
    first = divmod(year * 12 + month - MAX_MONTHS, 12)  # as (year, month - 1)
    shown = {key: value for key, value in by_month.items() if key >= (first[0], first[1] + 1)}
    drawn = []
    year, month = min(shown)
    while (year, month) <= max(shown):
        drawn.append((f"{year}-{month:02}", *shown.get((year, month), (0.0, 0.0))))
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return _bars(drawn)


def segments(rows: Sequence[tuple[datetime, float, float]]) -> list[Bar]:
    """Bars of (start of five minutes, up, down), oldest first: those without a row are drawn as nothing."""
    if not rows:
        return []
    by_start = {start: (up, down) for start, up, down in rows}
    shown, start = [], min(by_start)
    while start <= max(by_start):
        shown.append((f"{start.astimezone(UTC):%H:%M}", *by_start.get(start, (0.0, 0.0))))
        start += SEGMENT
    return _bars(shown)


def _bars(rows: Sequence[tuple[str, float, float]]) -> list[Bar]:
    """Bars of (label, up, down), as high as their shares of the largest number."""
    most = max(max(up, down) for _, up, down in rows) or 1
    return [Bar(label, up, down, _height(up, most), _height(down, most)) for label, up, down in rows]


def _height(value: float, most: float) -> float:
    return min(100.0, 100 * float(value) / float(most))


def with_lengths(rows: Sequence[RowMapping], column: str) -> list[dict[str, Any]]:
    """The rows of a table, with the `length` of each one's bar from 0 to 100: the share of the largest."""
    values = [float(row[column] or 0) for row in rows]
    most = max(values, default=0) or 1
    return [dict(row) | {"length": 100 * max(0.0, value) / most} for row, value in zip(rows, values, strict=True)]

"""Crons of five fields, as Dagster's schedules take them. Dagster itself is not imported here: it takes seconds."""

from collections.abc import Iterator

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = {
    3: {name: number for number, name in enumerate(_MONTHS, 1)},
    4: {name: number for number, name in enumerate(_WEEKDAYS)},
}
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_LONGEST_MONTHS = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}


def checked_cron(value: str) -> str:
    """The cron, if it is one that occurs.

    Raises:
        ValueError: it is none, or its day never comes.
    """
    fields = value.lower().split()
    try:
        _, _, days, months, _ = (set(_values(text, index)) for index, text in enumerate(fields))
    except (ValueError, IndexError):
        raise ValueError(
            "must be a cron of minute, hour, day, month and weekday, like `0 4 * * *` for daily at 4:00 UTC"
        ) from None
    if fields[4] == "*" and min(days) > max(_LONGEST_MONTHS.get(month, 31) for month in months):
        raise ValueError("must be a cron whose day comes")
    return value


def _values(text: str, index: int) -> Iterator[int]:
    """The numbers that a field stands for."""
    lowest, highest = _BOUNDS[index]
    for part in text.split(","):
        span, slash, step = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            begin, end = lowest, highest
        else:
            begin = _number(first, index)
            end = _number(last, index) if dash else highest if slash else begin
        every = int(step) if slash and step.isdecimal() else 1
        if (slash and not step.isdecimal()) or every < 1 or not lowest <= begin <= end <= highest:
            raise ValueError(part)
        yield from range(begin, end + 1, every)


def _number(text: str, index: int) -> int:
    if text in _NAMES.get(index, {}):
        return _NAMES[index][text]
    if not text.isdecimal() or not text.isascii():
        raise ValueError(text)
    return int(text)

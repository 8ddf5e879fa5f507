"""How numbers, times and shares are written on pages."""

from datetime import UTC, date, datetime

UNITS = ((1e12, "t"), (1e9, "b"), (1e6, "m"), (1e3, "k"))


def isk(value: float | None) -> str:
    """An amount of ISK in three figures, as 1.23b; unknown is said so."""
    if value is None:
        return "unknown"
    amount = float(value)
    for size, unit in UNITS:
        if abs(amount) >= size * 0.9995:
            return f"{_three_figures(amount / size)}{unit}"
    return f"{amount:,.0f}"


def number(value: float | None) -> str:
    """A count with separators."""
    return "unknown" if value is None else f"{float(value):,.0f}"


def share(value: float | None) -> str:
    """A share of one as a percentage."""
    return "unknown" if value is None else f"{float(value):.1%}"


def security(value: float | None) -> str:
    """A security status with one decimal, as EVE shows it: above 0 it is never rounded down to 0.0."""
    if value is None:
        return "?"
    if 0 < value < 0.05:
        return "0.1"
    return f"{value:.1f}"


def security_class(value: float | None) -> str:
    """The CSS class of a security status."""
    if value is None:
        return "unknown"
    return "highsec" if value >= 0.45 else "lowsec" if value > 0 else "nullsec"


def minute(moment: datetime | None) -> str:
    """A moment in EVE's time, which is UTC."""
    return "never" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def iso(moment: datetime | date | None) -> str:
    """A moment for programs."""
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return "" if moment is None else moment.isoformat()


def ago(moment: datetime | None) -> str:
    """How long ago a moment was, in one unit."""
    if moment is None:
        return "never"
    seconds = max(0.0, (datetime.now(UTC) - moment).total_seconds())
    for length, unit in ((86_400 * 365.25, "years"), (86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def _three_figures(value: float) -> str:
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{decimals}f}"


FILTERS = {
    "isk": isk,
    "number": number,
    "share": share,
    "security": security,
    "security_class": security_class,
    "minute": minute,
    "iso": iso,
    "ago": ago,
}

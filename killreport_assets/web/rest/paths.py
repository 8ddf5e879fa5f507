"""zKillboard's filters in an address, as /api/losses/characterID/90000001/page/2/, read as filters of ours.

Source of the names: zKillboard's classes/Util.php (convertUriToParameters) at 2baf6057. What it has removed and people
have missed is understood again: limit, startTime, endTime, beforeKillID, afterKillID; pages have no end.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from killreport_assets.web.entities import KINDS
from killreport_assets.web.killmails import Filters, Side

PAGE = 200
MAX_PAST_SECONDS = 604_800
MAX_ID = 2**63 - 1
MAX_PAGE = 1_000_000
MAX_PARTS = 60
ENTITIES = {
    "characterID": "character",
    "corporationID": "corporation",
    "allianceID": "alliance",
    "factionID": "faction",
    "shipID": "ship_type",
    "shipTypeID": "ship_type",
    "groupID": "ship_group",
    "systemID": "system",
    "solarSystemID": "system",
    "constellationID": "constellation",
    "regionID": "region",
}
BANDS = {"w-space": "w-space", "lowsec": "lowsec", "nullsec": "nullsec", "highsec": "highsec", "abyssal": "abyssal"}
LABELS: dict[str, tuple[str, Any]] = {
    "pvp": ("is_pvp_zkb", True),
    "npc": ("is_npc_zkb", True),
    "solo": ("is_solo_zkb", True),
    "awox": ("is_awox", True),
    "ganked": ("is_ganked", True),
    "padding": ("is_padding", True),
    "capital": ("is_capital", True),
    **{f"loc:{band}": ("security_band_zkb", band) for band in (*BANDS, "drifter")},
    **{f"isk:{band}": ("isk_band", band) for band in ("1b+", "5b+", "10b+", "100b+", "1t+")},
    **{f"tz:{zone}": ("timezone_band", zone) for zone in ("au", "ru", "eu", "usw", "use")},
    **{f"#:{band}": ("attackers_band_zkb", band) for band in ("1", "2+", "5+", "10+", "25+", "50+", "100+", "1000+")},
    **{f"cat:{category}": ("victim_ship_category_id", category) for category in (6, 11, 18, 22, 23, 40, 46, 65, 87)},
}
"""zKillboard's labels by the columns that have the same meaning here."""


class BadPath(Exception):
    """What is wrong with an address; the text says what to do."""


@dataclass(frozen=True)
class Listing:
    """Which killmails an address asks for: the filters, how many, after how many."""

    filters: Filters = field(default_factory=Filters)
    limit: int = PAGE
    page: int = 1
    side: Side = Side.both

    @property
    def offset(self) -> int:
        """Killmails before the page."""
        return (self.page - 1) * self.limit


def read_path(path: str, further: Mapping[str, str] | None = None) -> Listing:
    """Read the filters of an address, and those of its query string.

    Raises:
        BadPath: a filter is unknown or has no valid value.
    """
    parts = [part for part in path.split("/") if part]
    if len(parts) > MAX_PARTS:
        raise BadPath("too many filters")
    listing, dates = Listing(), dict[str, int]()
    remaining = iter(parts + [part for pair in (further or {}).items() for part in pair])
    for name in remaining:
        if name in {"kills", "losses"}:
            listing = replace(listing, side=Side(name))
        elif name in BANDS:
            listing = _with(listing, security_bands=(*listing.filters.security_bands, BANDS[name]))
        elif name == "solo":
            listing = _equal(listing, "is_solo_zkb", True)
        elif name == "ganked":
            listing = _equal(listing, "is_ganked", True)
        elif name == "finalblow-only":
            listing = _with(listing, is_final_blow=True)
        elif name in {"year", "month"}:
            dates[name] = _number(name, remaining, 9999 if name == "year" else 12)
        elif name in ENTITIES:
            entity = (KINDS[ENTITIES[name]], _number(name, remaining), Side.both)
            listing = _with(listing, entities=(*listing.filters.entities, entity))
        elif name in _WITH_VALUE:
            listing = _WITH_VALUE[name](listing, name, remaining)
        else:
            raise BadPath(f"there is no filter {name[:50]!r}; /api/ lists them")
    if dates:
        listing = _with_month(listing, dates)
    sided = tuple((kind, id_, listing.side) for kind, id_, _ in listing.filters.entities)
    return _with(listing, entities=sided)


def _with(listing: Listing, **changes: Any) -> Listing:
    return replace(listing, filters=replace(listing.filters, **changes))


def _equal(listing: Listing, column: str, value: Any) -> Listing:
    return _with(listing, equal=listing.filters.equal | {column: value})


def _number(name: str, remaining: Iterator[str], most: int = MAX_ID) -> int:
    text = next(remaining, "")
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > most:
        raise BadPath(f"{name} needs a whole number of at most {most}; one id for each filter")
    return int(text)


def _moment(name: str, remaining: Iterator[str]) -> datetime:
    """A moment as zKillboard had it, 202608211705, or in ISO 8601."""
    text = next(remaining, "")
    try:
        if text.isascii() and text.isdigit() and len(text) == 12:
            return datetime.strptime(text, "%Y%m%d%H%M").replace(tzinfo=UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadPath(f"{name} needs a time as 202608211705 or 2026-08-21T17:05:00Z") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _with_month(listing: Listing, dates: Mapping[str, int]) -> Listing:
    year = dates.get("year", datetime.now(UTC).year)
    if not 2003 <= year <= 9000:
        raise BadPath("year needs a year from 2003 on")
    month = dates.get("month")
    if month == 0:
        raise BadPath("month needs a number from 1 to 12")
    first = datetime(year, month or 1, 1, tzinfo=UTC)
    is_last = month is None or month == 12
    after = datetime(year + 1, 1, 1, tzinfo=UTC) if is_last else datetime(year, (month or 0) + 1, 1, tzinfo=UTC)
    return _with(listing, since=first, until=after - timedelta(microseconds=1))


def _switch(flag: str) -> Callable[[Listing, str, Iterator[str]], Listing]:
    return lambda listing, name, remaining: _equal(listing, flag, _number(name, remaining, 1) == 1)


def _field(attribute: str, most: int = MAX_ID) -> Callable[[Listing, str, Iterator[str]], Listing]:
    return lambda listing, name, remaining: _with(listing, **{attribute: _number(name, remaining, most)})


def _label(listing: Listing, name: str, remaining: Iterator[str]) -> Listing:
    label = next(remaining, "")
    if label not in LABELS:
        raise BadPath(f"{name} needs one of {', '.join(LABELS)}")
    return _equal(listing, *LABELS[label])


def _past(listing: Listing, name: str, remaining: Iterator[str]) -> Listing:
    seconds = _number(name, remaining, MAX_PAST_SECONDS)
    return _with(listing, since=datetime.now(UTC) - timedelta(seconds=seconds))


def _page(listing: Listing, name: str, remaining: Iterator[str]) -> Listing:
    return replace(listing, page=max(1, _number(name, remaining, MAX_PAGE)))


def _limit(listing: Listing, name: str, remaining: Iterator[str]) -> Listing:
    return replace(listing, limit=max(1, _number(name, remaining, PAGE)))


_WITH_VALUE: dict[str, Callable[[Listing, str, Iterator[str]], Listing]] = {
    "npc": _switch("is_npc_zkb"),
    "awox": _switch("is_awox"),
    "warID": _field("war_id"),
    "locationID": _field("location_id"),
    "iskValue": _field("min_value"),
    "beforeKillID": _field("before_id"),
    "afterKillID": _field("after_id"),
    "killID": lambda listing, name, remaining: _with(listing, killmail_ids=(_number(name, remaining),)),
    "label": _label,
    "pastSeconds": _past,
    "startTime": lambda listing, name, remaining: _with(listing, since=_moment(name, remaining)),
    "endTime": lambda listing, name, remaining: _with(listing, until=_moment(name, remaining)),
    "page": _page,
    "limit": _limit,
}
FILTER_NAMES = ("kills", "losses", *BANDS, "solo", "ganked", "finalblow-only", *ENTITIES, "year", "month", *_WITH_VALUE)
"""Every filter, for the page that describes them."""

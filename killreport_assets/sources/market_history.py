"""EVE Ref's market history: a CSV.bz2 per day with all regions, rewritten when EVE Ref reads it from ESI again.

The header changed over the years (columns were swapped, `http_last_modified` was added in June 2020), so columns are
read by name. store/market.py stores the rows.
"""

import bz2
import csv
import io
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from killreport_assets.http.errors import TooLarge, Unavailable
from killreport_assets.http.session import MEBIBYTE
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRefFiles
from killreport_assets.store.schema.columns import Row

MAX_ISK = Decimal(10) ** 20
REQUIRED = ("date", "region_id", "type_id", "average")
log = logging.getLogger(__name__)


@dataclass
class MarketDay:
    """A day's file: its ETag, the rows of the requested regions by region and type, and the number of rejected rows."""

    etag: str = ""
    rows: dict[tuple[int, int], Row] = field(default_factory=dict)
    rejected: int = 0


class MarketHistory(EveRefFiles):
    """Reads EVE Ref's market history."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "market-history", "csv.bz2")
        self._max_bytes = settings.services.http_max_mib * MEBIBYTE

    def read(self, day: date, regions: Collection[int]) -> MarketDay:
        """Fetch a day's rows of these regions; if a type occurs twice, the row observed last.

        Raises:
            Gone: there is no file of that day.
            Unavailable: the file cannot be read, or lacks a required column.
            TooLarge: the file exceeds its limit, packed or unpacked.
        """
        response = self._get(self._file_url(day))
        try:
            read = read_market_day(unpack(response.content, self._max_bytes), day, regions)
        except (ValueError, OSError, EOFError) as broken:
            raise Unavailable(f"{response.url}: the file is broken ({broken})") from None
        read.etag = response.headers.get("ETag", "")
        return read


def unpack(packed: bytes, max_bytes: int) -> bytes:
    """Unpack a file.

    Raises:
        OSError, EOFError, ValueError: it is no bzip2, or breaks off.
        TooLarge: unpacked, it exceeds `max_bytes`.
    """
    with bz2.open(io.BytesIO(packed)) as file:
        unpacked = file.read(max_bytes + 1)
    if len(unpacked) > max_bytes:
        raise TooLarge(f"unpacked, the file exceeds {max_bytes // MEBIBYTE:,} MiB")
    return unpacked


def read_market_day(content: bytes, day: date, regions: Collection[int]) -> MarketDay:
    """Read the rows of a CSV; a row that is broken or of another day is rejected alone.

    Raises:
        ValueError: the file is no text, or lacks a column that every file so far has had.
    """
    read = MarketDay()
    lines = csv.DictReader(content.decode().splitlines())
    if missing := set(REQUIRED) - set(lines.fieldnames or ()):
        raise ValueError(f"no column {', '.join(sorted(missing))}")
    for line in lines:
        try:
            row = _row(line, day)
        except (ValueError, TypeError, ArithmeticError) as broken:
            read.rejected += 1
            log.warning("market history of %s: skipping line %s (%s)", day, lines.line_num, broken)
            continue
        key = (row["region_id"], row["type_id"])
        if row["region_id"] in regions and _is_later(row, read.rows.get(key)):
            read.rows[key] = row
    return read


def _row(line: Row, day: date) -> Row:
    average = _isk(line["average"])
    if line["date"] != f"{day}":
        raise ValueError(f"date is {line['date']}, not {day}")
    observed = line.get("http_last_modified")
    return {
        "region_id": int(line["region_id"]),
        "type_id": int(line["type_id"]),
        "date": day,
        "average": average,
        "highest": _isk(line.get("highest") or None),
        "lowest": _isk(line.get("lowest") or None),
        "order_count": _count(line, "order_count"),
        "volume": _count(line, "volume"),
        "observed_at": datetime.fromisoformat(observed) if observed else None,
    }


def _isk(text: str | None) -> Decimal | None:
    if text is None:
        return None
    amount = Decimal(text)
    if not 0 <= amount < MAX_ISK:
        raise ValueError(f"{text} ISK is out of range")
    return round(amount, 2)


def _count(line: Row, name: str) -> int | None:
    return int(float(line[name])) if line.get(name) else None


def _is_later(row: Row, known: Row | None) -> bool:
    if known is None or known["observed_at"] is None:
        return True
    return row["observed_at"] is not None and row["observed_at"] >= known["observed_at"]

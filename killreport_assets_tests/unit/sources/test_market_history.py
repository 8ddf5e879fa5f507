"""Reading EVE Ref's market history: every header that it has had, regions, readings of one day, broken rows."""

import bz2
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from killreport_assets.models.ids import THE_FORGE
from killreport_assets.sources.market_history import read_market_day, unpack

DAY = date(2020, 6, 18)
DOMAIN = 10_000_043
HEADERS = (
    "date,region_id,type_id,average,highest,lowest,volume,order_count",
    "date,region_id,type_id,average,lowest,highest,volume,order_count",
    "average,date,highest,lowest,order_count,volume,http_last_modified,region_id,type_id",
)
ROW = {
    "date": "2020-06-18",
    "region_id": THE_FORGE,
    "type_id": 34,
    "average": "5.25",
    "highest": "6",
    "lowest": "5.01",
    "volume": "123456789012",
    "order_count": 7,
    "http_last_modified": "2020-06-19T11:05:00Z",
}


def _file(header: str, *rows: dict[str, object]) -> bytes:
    lines = [header, *(",".join(str(row.get(name, "")) for name in header.split(",")) for row in rows)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize("header", HEADERS)
def test_columns_are_known_by_their_names(header: str) -> None:
    read = read_market_day(_file(header, ROW), DAY, {THE_FORGE})
    assert read.rejected == 0
    row = read.rows[THE_FORGE, 34]
    assert (row["average"], row["highest"], row["lowest"]) == (Decimal("5.25"), 6, Decimal("5.01"))
    assert (row["volume"], row["order_count"], row["date"]) == (123_456_789_012, 7, DAY)
    observed = datetime(2020, 6, 19, 11, 5, tzinfo=UTC) if "http_last_modified" in header else None
    assert row["observed_at"] == observed


def test_only_the_wanted_regions_are_kept() -> None:
    content = _file(HEADERS[2], ROW, ROW | {"region_id": DOMAIN}, ROW | {"region_id": 10_000_001})
    assert set(read_market_day(content, DAY, {THE_FORGE, DOMAIN}).rows) == {(THE_FORGE, 34), (DOMAIN, 34)}


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_readings_of_a_type_the_later_counts(order: int) -> None:
    later = ROW | {"average": "9", "http_last_modified": "2020-06-19T12:00:00Z"}
    content = _file(HEADERS[2], *[ROW, later][::order])
    assert read_market_day(content, DAY, {THE_FORGE}).rows[THE_FORGE, 34]["average"] == 9.0


@pytest.mark.parametrize(
    "broken",
    [
        {"average": "cheap"},
        {"average": "nan"},
        {"average": "-1"},
        {"average": "inf"},
        {"type_id": ""},
        {"date": "2020-06-17"},
        {"volume": "many"},
        {"http_last_modified": "yesterday"},
    ],
)
def test_a_broken_row_costs_only_itself(broken: dict[str, object]) -> None:
    read = read_market_day(_file(HEADERS[2], ROW | {"type_id": 35}, ROW | broken, ROW), DAY, {THE_FORGE})
    assert read.rejected == 1
    assert set(read.rows) == {(THE_FORGE, 35), (THE_FORGE, 34)}


@pytest.mark.parametrize("packed", [b"not bzip2", bz2.compress(_file(HEADERS[2], ROW))[:-9]])
def test_a_file_that_is_none_is_said(packed: bytes) -> None:
    with pytest.raises((ValueError, OSError, EOFError)):
        unpack(packed, 2**20)


@pytest.mark.parametrize("content", [b"", _file("a,b", ROW), b"\xff\xfe"])
def test_a_file_without_the_columns_is_said(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"column|decode"):
        read_market_day(content, DAY, {THE_FORGE})


def test_a_file_of_several_bzip2_streams_is_read_whole() -> None:
    content = _file(HEADERS[2], ROW, ROW | {"type_id": 35})
    assert unpack(bz2.compress(content[:40]) + bz2.compress(content[40:]), 2**20) == content

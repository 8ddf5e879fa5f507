"""Parquet: native types where Parquet has them, text where it has not."""

import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from killreport_assets.base.plain import JsonText
from killreport_assets.cli.parquet import write_parquet
from killreport_assets.cli.postgres_values import PostgresText

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, None], pa.int64(), [1, None]),
        ([Decimal("Infinity"), Decimal("1.5"), None], pa.float64(), [float("inf"), 1.5, None]),
        ([["victim"], None], pa.list_(pa.string()), [["victim"], None]),
        ([JsonText('{"a": null}'), JsonText("1")], pa.string(), ['{"a": null}', "1"]),
        ([MOMENT, None], pa.timestamp("us", tz="UTC"), [MOMENT, None]),
        ([MOMENT, PostgresText("infinity")], pa.string(), ["2026-01-01T00:00:00+00:00", "infinity"]),
        ([10**30], pa.string(), [str(10**30)]),
        ([[1, "a"]], pa.string(), ['[1, "a"]']),
        ([b"\x00"], pa.binary(), [b"\x00"]),
    ],
)
def test_a_column(values: list[object], kind: Any, expected: list[object]) -> None:
    file = io.BytesIO()
    write_parquet(["column"], [[value] for value in values], file)
    column = pyarrow.parquet.read_table(file)["column"]
    assert (column.type, column.to_pylist()) == (kind, expected)


def test_nan_is_not_null() -> None:
    file = io.BytesIO()
    write_parquet(["a"], [[Decimal("NaN")], [None]], file)
    assert pyarrow.parquet.read_table(file)["a"].is_null().to_pylist() == [False, True]

"""Rows as Parquet. Imports pyarrow, which is in an extra: output.py imports this where Parquet is chosen."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet

from killreport_assets.base.plain import as_text


def write_parquet(names: Sequence[str], rows: Sequence[Sequence[object]], file: BinaryIO) -> None:
    """Write rows with their own types; a column whose values no type of Parquet holds is text."""
    columns = [_column([row[index] for row in rows]) for index in range(len(names))]
    pyarrow.parquet.write_table(pa.Table.from_arrays(columns, names=list(names)), file)


def _column(values: list[object]) -> Any:
    try:
        return pa.array([_native(value) for value in values], from_pandas=False)
    except (pa.ArrowException, OverflowError, TypeError):
        return pa.array([None if value is None else as_text(value) for value in values], pa.string())


def _native(value: object) -> object:
    """A sum becomes a number that every Parquet reader supports."""
    if isinstance(value, Decimal):
        return float(value)
    return [_native(element) for element in value] if isinstance(value, list) else value

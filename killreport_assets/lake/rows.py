"""Rows of PostgreSQL as Parquet files, and back, in streams: by COPY as CSV, which both sides read and write fast."""

import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import psycopg
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from killreport_assets.lake.datasets import Column

ROW_GROUP = 131_072
BLOCK = 1 << 22
SIMPLE = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int32(),
    "text": pa.string(),
    "character varying": pa.string(),
    "boolean": pa.bool_(),
    "double precision": pa.float64(),
    "real": pa.float64(),
    "date": pa.date32(),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
}
UNBOUNDED_NUMERIC = (38, 6)
"""A numeric without a precision: sums of ISK, and shares."""


def arrow_type(column: Column) -> Any:
    """The type of a column in the files; what Parquet has no type for is its text."""
    if column.type.endswith("[]"):
        return pa.list_(SIMPLE.get(column.type.removesuffix("[]"), pa.string()))
    if column.type.startswith("numeric"):
        given = re.fullmatch(r"numeric\((\d+), ?(\d+)\)", column.type)
        return pa.decimal128(*((int(given[1]), int(given[2])) if given else UNBOUNDED_NUMERIC))
    return SIMPLE.get(column.type, pa.string())


def arrow_schema(columns: Sequence[Column], description: str, facts: Mapping[str, str]) -> Any:
    """The schema of a dataset's files, with what it and its columns mean; `facts` are kept in the files, too."""
    fields = [pa.field(column.name, arrow_type(column), metadata={"doc": column.description}) for column in columns]
    return pa.schema(fields, metadata={"description": description, **facts})


def write_file(connection: "psycopg.Connection[Any]", query: str, schema: Any, order: Sequence[str], file: Path) -> int:
    """Write the rows of a query to a Parquet file; returns how many there are. Memory is bounded by a row group."""
    names = [field.name for field in schema]
    sorted_by = [
        pyarrow.parquet.SortingColumn(names.index(name)) for name in (o.strip('"') for o in order) if name in names
    ]
    lists = {field.name for field in schema if pa.types.is_list(field.type)}
    read_as = {field.name: pa.string() if field.name in lists else field.type for field in schema}
    written = 0
    with (
        connection.cursor() as cursor,
        cursor.copy(f"copy ({query}) to stdout (format csv)".encode()) as copied,
        pyarrow.parquet.ParquetWriter(
            file, schema, compression="zstd", sorting_columns=sorted_by, write_page_index=True
        ) as writer,
    ):
        source = _Copied(iter(copied))
        if source.is_empty():
            return 0
        with closing(
            pyarrow.csv.open_csv(
                source,
                pyarrow.csv.ReadOptions(column_names=names, block_size=BLOCK),
                pyarrow.csv.ParseOptions(newlines_in_values=True),
                pyarrow.csv.ConvertOptions(
                    column_types=read_as,
                    null_values=[""],
                    true_values=["t"],
                    false_values=["f"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        ) as reader:
            for batch in reader:
                arrays = [
                    _lists(batch.column(name), schema.field(name).type) if name in lists else batch.column(name)
                    for name in names
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema), ROW_GROUP)
                written += batch.num_rows
    return written


def csv_of(table: Any, columns: Sequence[str]) -> memoryview:
    """The rows of an Arrow table as PostgreSQL's COPY reads them."""
    chosen = table.select(list(columns))
    for index, field in enumerate(chosen.schema):
        if pa.types.is_list(field.type):
            texts = [None if value is None else _array_literal(value) for value in chosen.column(index).to_pylist()]
            chosen = chosen.set_column(index, field.name, pa.array(texts, pa.string()))
    written = io.BytesIO()
    pyarrow.csv.write_csv(chosen, written, pyarrow.csv.WriteOptions(include_header=False))
    return written.getbuffer()


def copy_csv(cursor: "psycopg.Cursor[Any]", rows: memoryview, target: str, columns: Sequence[str]) -> None:
    """Copy rows into a table of PostgreSQL."""
    names = ", ".join(f'"{name}"' for name in columns)
    with cursor.copy(f"copy {target} ({names}) from stdin (format csv)".encode()) as copy:
        copy.write(rows)


def digest_of(file: Path) -> str:
    """The SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _lists(texts: Any, kind: Any) -> Any:
    return pa.array([None if text is None else json.loads(text) for text in texts.to_pylist()], kind)


def _array_literal(values: Sequence[object]) -> str:
    elements = ("NULL" if value is None else json.dumps(value, ensure_ascii=False) for value in values)
    return "{" + ",".join(elements) + "}"


class _Copied(io.RawIOBase, BinaryIO):
    """What COPY sends, as a file."""

    def __init__(self, blocks: Iterator[Any]) -> None:
        self._blocks, self._rest = blocks, b""

    def is_empty(self) -> bool:
        """Whether nothing comes."""
        self._rest = bytes(next(self._blocks, b""))
        return not self._rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts, length = [self._rest], len(self._rest)
        while size < 0 or length < size:
            block = bytes(next(self._blocks, b""))
            if not block:
                break
            parts.append(block)
            length += len(block)
        content = b"".join(parts)
        end = len(content) if size < 0 else size
        self._rest = content[end:]
        return content[:end]

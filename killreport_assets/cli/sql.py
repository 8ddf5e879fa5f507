"""`killreport sql` and `killreport query`: one read-only statement, its rows as a table, JSON, CSV or Parquet."""

import csv
import json
import sys
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from itertools import takewhile
from typing import Any

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError
from killreport_assets.database.engine import create_missing_databases, database_urls, libpq_url
from killreport_assets.settings import Settings


class OutputFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def named_queries() -> dict[str, str]:
    """The example queries that come with KillReport, by name; each begins with a comment that says what it tells."""
    files = resources.files("killreport_assets.cli") / "queries"
    return {
        file.name.removesuffix(".sql"): file.read_text()
        for file in sorted(files.iterdir(), key=lambda file: file.name)
        if file.name.endswith(".sql")
    }


def about(query: str) -> str:
    """What a named query tells: its first comment."""
    lines = takewhile(lambda line: line.startswith("--"), query.splitlines())
    return " ".join(line.removeprefix("--").strip() for line in lines)


def run_statement(out: Console, settings: Settings, statement: str, output: OutputFormat) -> None:
    """Run the statement and print its rows.

    Raises:
        UserError: PostgreSQL refuses it; says why.
    """
    urls = database_urls(settings)
    create_missing_databases(urls)
    options = "-c default_transaction_read_only=on -c timezone=UTC"
    try:
        with psycopg.connect(libpq_url(urls.killreport), options=options) as connection:
            if connection.execute("show is_superuser").fetchone() == ("on",):
                # A superuser's COPY … TO PROGRAM would run even in a transaction that only reads.
                connection.execute("set role pg_read_all_data")
            # A prepared statement is one statement: nothing can follow that would lift the read-only.
            cursor = connection.execute(statement.encode(), prepare=True)
            names = [column.name for column in cursor.description or []]
            rows = cursor.fetchall() if cursor.description else []
    except psycopg.Error as refused:
        raise UserError(f"PostgreSQL: {str(refused).strip()}") from None
    if output is OutputFormat.json:
        objects = [dict(zip(names, map(_plain, row), strict=True)) for row in rows]
        sys.stdout.write(json.dumps(objects, indent=1) + "\n")
    elif output is OutputFormat.parquet:
        _write_parquet(names, rows)
    elif output is OutputFormat.csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(names)
        writer.writerows([["" if value is None else _plain(value) for value in row] for row in rows])
    else:
        table = Table(*names, header_style="bold")
        for row in rows:
            table.add_row(*("" if value is None else escape(str(_plain(value))) for value in row))
        out.print(table)
        out.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


def _write_parquet(names: list[str], rows: list[tuple[Any, ...]]) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError:
        raise UserError("Parquet needs pyarrow: pip install 'killreport-assets[dbt]'") from None
    columns = list(zip(*rows, strict=True)) or [() for _ in names]
    table = pa.table({name: [_number(value) for value in column] for name, column in zip(names, columns, strict=True)})
    pq.write_table(table, sys.stdout.buffer)


def _number(value: Any) -> Any:
    """A sum as a number that every reader of Parquet knows."""
    return float(value) if isinstance(value, Decimal) else value


def _plain(value: Any) -> Any:
    """The value as JSON knows it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [_plain(element) for element in value]
    return value if isinstance(value, str | int | float | bool | dict | None) else str(value)

"""The one printer of the commands: rows as a table, JSON, CSV or Parquet, objects as JSON, plain lines for programs.

Tables are for people and go through rich; everything else goes to the output as it is, for other programs.
"""

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError

PIPE_COLUMNS = 200
"""Where there is no terminal whose width would count."""
out = Console(soft_wrap=True)
wide = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
"""For tables with many columns: they fold instead of being cut in a pipe."""


class OutputFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def chosen_format(*, as_json: bool = False, as_csv: bool = False, as_parquet: bool = False) -> OutputFormat:
    """The format that a command's options choose.

    Raises:
        UserError: more than one, or Parquet for a terminal.
    """
    options = {"--json": as_json, "--csv": as_csv, "--parquet": as_parquet}
    chosen = [name for name, is_chosen in options.items() if is_chosen]
    if len(chosen) > 1:
        raise UserError(f"choose one of {' and '.join(chosen)}")
    if as_parquet and sys.stdout.isatty():
        raise UserError("Parquet is not for a terminal: … --parquet > file.parquet")
    return OutputFormat(chosen[0].removeprefix("--")) if chosen else OutputFormat.table


def print_rows(names: Sequence[str], rows: Sequence[Sequence[object]], output: OutputFormat) -> None:
    """Print rows of a query.

    Raises:
        UserError: Parquet is asked for, and pyarrow is missing.
    """
    if output is OutputFormat.json:
        print_json([dict(zip(names, map(plain, row), strict=True)) for row in rows])
    elif output is OutputFormat.table:
        table = Table(*names, header_style="bold")
        for row in rows:
            table.add_row(*("" if value is None else escape(str(plain(value))) for value in row))
        out.print(table)
        out.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
    else:
        _print_frame(names, rows, output)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1, default=str) + "\n")


def print_line(line: str) -> None:
    """Print a line for another program: no colours, no wrapping."""
    sys.stdout.write(f"{line}\n")


def plain(value: object) -> object:
    """The value as JSON knows it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, list):
        return [plain(element) for element in value]
    return value if isinstance(value, str | int | float | bool | dict | None) else str(value)


def _print_frame(names: Sequence[str], rows: Sequence[Sequence[object]], output: OutputFormat) -> None:
    import pandas as pd  # half a second, which the other formats need not spend

    if output is OutputFormat.csv:
        cells = [[plain(value) for value in row] for row in rows]
        frame = pd.DataFrame(cells, columns=list(names), dtype=object)
        sys.stdout.write(frame.to_csv(index=False))
        return
    # A sum becomes a number that every reader of Parquet knows.
    cells = [[float(value) if isinstance(value, Decimal) else value for value in row] for row in rows]
    try:
        pd.DataFrame(cells, columns=list(names), dtype=object).to_parquet(sys.stdout.buffer, index=False)
    except ImportError:
        raise UserError("Parquet needs pyarrow: pip install 'killreport-assets[dbt]'") from None

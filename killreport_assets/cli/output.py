"""The commands' output: rows as a table, JSON, CSV or Parquet, objects as JSON, plain lines for programs.

Tables are for people and go through rich; everything else is written unchanged, for other programs.
"""

import json
import sys
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError
from killreport_assets.base.plain import plain
from killreport_assets.base.redaction import without_secrets

PIPE_COLUMNS = 200
"""The width where there is no terminal."""
out = Console(soft_wrap=True)
wide = Console(soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
"""For tables with many columns: they fold instead of being cut in a pipe."""
err = Console(stderr=True, soft_wrap=True, highlight=False)


class OutputFormat(StrEnum):
    """How rows are printed."""

    table = "table"
    json = "json"
    csv = "csv"
    parquet = "parquet"


def chosen_format(*, as_json: bool = False, as_csv: bool = False, as_parquet: bool = False) -> OutputFormat:
    """Return the format that a command's options choose.

    Raises:
        UserError: more than one is chosen, or Parquet for a terminal.
    """
    options = {"--json": as_json, "--csv": as_csv, "--parquet": as_parquet}
    chosen = [name for name, is_chosen in options.items() if is_chosen]
    if len(chosen) > 1:
        raise UserError(f"choose one of {' and '.join(chosen)}")
    if as_parquet and sys.stdout.isatty():
        raise UserError("Parquet cannot be printed to a terminal: … --parquet > file.parquet")
    return OutputFormat(chosen[0].removeprefix("--")) if chosen else OutputFormat.table


def print_rows(names: Sequence[str], rows: Sequence[Sequence[object]], output: OutputFormat) -> None:
    """Print rows of a query.

    Raises:
        UserError: Parquet is chosen, and pyarrow is missing.
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


def print_error(sentence: str) -> None:
    """Print why a command fails, in one line on stderr, without secrets."""
    err.print(f"[bold red]error:[/] {escape(' '.join(without_secrets(sentence).split()))}")


def _print_frame(names: Sequence[str], rows: Sequence[Sequence[object]], output: OutputFormat) -> None:
    import pandas as pd  # the import takes half a second, which the other formats save

    if output is OutputFormat.csv:
        cells = [[plain(value) for value in row] for row in rows]
        frame = pd.DataFrame(cells, columns=list(names), dtype=object)
        sys.stdout.write(frame.to_csv(index=False))
        return
    # A sum becomes a number that every Parquet reader supports.
    cells = [[float(value) if isinstance(value, Decimal) else value for value in row] for row in rows]
    try:
        pd.DataFrame(cells, columns=list(names), dtype=object).to_parquet(sys.stdout.buffer, index=False)
    except ImportError:
        raise UserError("Parquet needs pyarrow: pip install 'killreport-assets[dbt]'") from None

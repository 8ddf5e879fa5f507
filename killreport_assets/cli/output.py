"""The commands' output: rows as a table, JSON, CSV or Parquet, objects as JSON, plain lines for programs.

Tables are for people: they go through rich, and show control characters escaped. Everything else is for other programs.
Values as text and as JSON are in base/plain.py.
"""

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from killreport_assets.base.errors import UserError
from killreport_assets.base.plain import as_text, plain
from killreport_assets.base.redaction import without_secrets
from killreport_assets.base.text import printable

PIPE_COLUMNS = 200
"""The width where there is no terminal."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula: https://owasp.org/www-community/attacks/CSV_Injection"""


class SafeConsole(Console):
    """A console on which no text moves the cursor, changes colours or hides, whatever name is in it."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


out = SafeConsole(soft_wrap=True, emoji=False)
wide = SafeConsole(soft_wrap=True, emoji=False, width=None if sys.stdout.isatty() else PIPE_COLUMNS)
"""For tables with many columns: they fold instead of being cut in a pipe."""
err = SafeConsole(stderr=True, soft_wrap=True, emoji=False, highlight=False)


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
        print_json([dict(zip(names, row, strict=True)) for row in rows])
    elif output is OutputFormat.csv:
        _print_csv(names, rows)
    elif output is OutputFormat.parquet:
        _write_parquet(names, rows)
    else:
        table = Table(*map(escape, names), header_style="bold")
        for row in rows:
            table.add_row(*(escape(as_text(value)) for value in row))
        out.print(table)
        out.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


def print_records(kind: type[Any], records: Iterable[Any], output: OutputFormat) -> None:
    """Print records of a dataclass, a column for each field.

    Raises:
        UserError: see `print_rows`.
    """
    names = [field.name for field in fields(kind)]
    print_rows(names, [[getattr(record, name) for name in names] for record in records], output)


def print_json(value: object) -> None:
    """Print a value as JSON; characters beyond ASCII are escaped."""
    sys.stdout.write(json.dumps(plain(value), indent=1, allow_nan=False) + "\n")


def print_line(line: str) -> None:
    """Print a line for another program: no colours, no wrapping."""
    sys.stdout.write(f"{line}\n")


def print_error(sentence: str) -> None:
    """Print why a command fails, in one line on stderr, without secrets."""
    err.print(f"[bold red]error:[/] {escape(' '.join(without_secrets(sentence).split()))}")


def _print_csv(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    shown = printable if sys.stdout.isatty() else str
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([shown(_harmless(name)) for name in names])
    writer.writerows([shown(_harmless(value)) for value in row] for row in rows)


def _harmless(value: object) -> str:
    """Return a value as text; text that a spreadsheet would run as a formula has a ' in front."""
    text = as_text(value)
    return f"'{text}" if type(value) is str and text.startswith(FORMULA) else text


def _write_parquet(names: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    try:
        from killreport_assets.cli.parquet import write_parquet
    except ImportError:
        raise UserError("Parquet needs pyarrow: pip install 'killreport-assets[dbt]'") from None
    write_parquet(names, rows, sys.stdout.buffer)

"""The bounds of numeric options, and options of several commands; those of one command are at the command."""

from typing import Annotated, Any

import typer

from killreport_assets.base.errors import UserError

MAX_ID = 2**63 - 1
"""The ids of the tables are PostgreSQL's bigint."""
MIN_PORT, MAX_PORT = 1024, 65_535
MAX_ROWS = 1_000_000
MAX_DAYS = 10_000
"""More than EVE Online has existed."""
MIN_RELEASE_SECONDS, MAX_RELEASE_SECONDS = 0.01, 86_400


ReleaseEvery = Annotated[
    float | None,
    typer.Option(
        min=MIN_RELEASE_SECONDS,
        max=MAX_RELEASE_SECONDS,
        help="seconds between two generated killmails of the sandbox's feed",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON; NaN and infinity are null")]
AsCsv = Annotated[
    bool,
    typer.Option(
        "--csv",
        help="print CSV with a header; arrays and objects are JSON; text that a spreadsheet would take for a formula "
        "(=, +, -, @ in front) begins with '",
    ),
]
AsParquet = Annotated[bool, typer.Option("--parquet", help="write Parquet to standard output: … > file.parquet")]
Sandbox = Annotated[bool, typer.Option("--sandbox", help="use the sandbox of a running `killreport dev`")]
SandboxHome = Annotated[
    bool, typer.Option("--sandbox", help="only in a home with the sandbox's data; nothing is sent to a service now")
]


def refuse_without(needed: str, *, is_given: bool, **options: Any) -> None:
    """Refuse options that have an effect only together with another one.

    Raises:
        UserError: the needed option is not given, and one of the others is.
    """
    useless = [f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    if useless and not is_given:
        raise UserError(f"{' and '.join(useless)} {'has' if len(useless) == 1 else 'have'} no effect without {needed}")

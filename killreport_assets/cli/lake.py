"""`killreport lake`: the tables as Parquet files, for programs that need no server."""

import time
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError
from killreport_assets.base.plain import as_text
from killreport_assets.cli.common import current_settings, database_of
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import AsCsv, AsJson, AsParquet
from killreport_assets.cli.output import OutputFormat, chosen_format, out, print_json, print_rows

lake = typer.Typer(no_args_is_help=True, help="The tables as Parquet files that DuckDB, pandas and Spark read.")
PROGRESS_SECONDS = 2.0


def needs_extra() -> None:
    """Say which extra is missing, before anything is done.

    Raises:
        UserError: the libraries of the lake are not installed.
    """
    missing = [name for name in ("duckdb", "pyarrow", "pyiceberg") if find_spec(name) is None]
    if missing:
        raise UserError(f"{' and '.join(missing)} not installed: pip install 'killreport-assets[lake]'")


@lake.command()
def export(
    full: Annotated[
        bool, typer.Option("--full", help="read everything again, and take over another platform's lake")
    ] = False,
) -> None:
    """Write what changed since the last export: facts by day, dimensions, prices, marts. Ctrl-C: the same goes on.

    The lake is KILLREPORT_LAKE_URL, by default HOME/lake. Without --full, names that changed in marts of past months
    are written when one of the month's days changes.
    """
    needs_extra()
    from killreport_assets.lake.export import LakeExport
    from killreport_assets.lake.keep import after_export
    from killreport_assets.lake.open import lake_of

    settings = current_settings()
    storage = lake_of(settings)
    with database_of(settings) as engine:
        report = LakeExport(engine, storage, is_full=full, on_day=_Progress().day).run()
        kept = after_export(engine, storage, timedelta(days=settings.data.lake_keep_days))
    out.print(f"{storage.url}: {report.rows:,} rows in {report.files:,} files")
    out.print(
        f"{report.days:,} days read, {report.files_written:,} files written ({report.bytes_written / 1e6:,.1f} MB), "
        f"{kept.tables:,} tables have a new snapshot, {kept.deleted:,} superseded files deleted"
    )
    if report.days_left:
        out.print(f"{report.days_left:,} days are left: the same command goes on")


@lake.command()
def status(as_json: AsJson = False) -> None:
    """Show what the lake has, how whole it is, and whether days have changed since."""
    needs_extra()
    from killreport_assets.lake.manifest import existing_manifest, read_datasets
    from killreport_assets.lake.open import lake_of
    from killreport_assets.store.lake import changed_since

    settings = current_settings()
    storage = lake_of(settings)
    manifest = existing_manifest(storage)
    datasets = read_datasets(storage, manifest)
    with database_of(settings) as engine, engine.connect() as connection:
        changed = changed_since(connection, manifest.snapshot)
    if as_json:
        print_json(
            manifest.model_dump(mode="json")
            | {
                "url": storage.url,
                "changed_days": None if changed is None else len(changed),
                "datasets": {name: {"rows": d.rows, "files": len(d.files)} for name, d in datasets.items()},
            }
        )
        return
    coverage = manifest.coverage
    out.print(f"{storage.url}, written {manifest.written_at:%F %T} UTC by KillReport {manifest.killreport}")
    out.print(
        f"{coverage.killmails:,} killmails of {coverage.days:,} days, {coverage.first_day} to {coverage.last_day}; "
        f"{coverage.incomplete_days:,} days are incomplete"
    )
    waiting = "every day must be read again" if changed is None else f"{len(changed):,} days have changed since"
    out.print(waiting + (f", {len(manifest.days_left):,} are left of a broken export" if manifest.days_left else ""))
    table = Table(box=None, header_style="bold")
    for header in ("dataset", "by", "rows", "files", "MB"):
        table.add_column(header, justify="left" if header in {"dataset", "by"} else "right")
    for name, dataset in sorted(datasets.items(), key=lambda item: (item[1].schema_name != "raw", item[0])):
        size = sum(file.bytes for file in dataset.files) / 1e6
        table.add_row(
            f"{'marts.' if dataset.schema_name == 'marts' else ''}{name}",
            dataset.partition,
            f"{dataset.rows:,}",
            f"{len(dataset.files):,}",
            f"{size:,.1f}",
        )
    out.print(table)


@lake.command()
def verify() -> None:
    """Read every file that the manifest names, and compare its checksum and its rows."""
    needs_extra()
    from killreport_assets.lake.open import lake_of
    from killreport_assets.lake.verify import verify as verify_lake

    verified = verify_lake(lake_of(current_settings()))
    out.print(f"{verified.files:,} files with {verified.rows:,} rows")
    for problem in verified.problems[:20]:
        out.print(f"[red]{escape(problem)}[/]")
    if verified.problems:
        out.print(f"{len(verified.problems):,} files are not as they were written: killreport lake export --full")
        raise typer.Exit(ExitCode.unhealthy)


@lake.command()
def sql(
    statement: Annotated[str, typer.Argument(help="one statement, in DuckDB's SQL; or - to read it from the input")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """Run a statement over the lake's files with DuckDB: killmails, attackers, items, types, …, and those of marts.

    It needs no server, reads one state of the lake, and can read no other file.
    """
    needs_extra()
    from killreport_assets.lake.open import lake_of
    from killreport_assets.lake.query import run_query

    output: OutputFormat = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    text = typer.get_text_stream("stdin").read() if statement == "-" else statement
    names, rows = run_query(lake_of(current_settings()), text)
    print_rows(names, rows, output)


@lake.command()
def publish(directory: Annotated[Path, typer.Argument(help="an empty directory, or an earlier copy")]) -> None:
    """Copy the lake's files for others: with checksums, licence notes, and a page that says what each column means."""
    needs_extra()
    from killreport_assets.lake.open import lake_of
    from killreport_assets.lake.publish import INDEX
    from killreport_assets.lake.publish import publish as publish_lake

    copied = publish_lake(lake_of(current_settings()), directory)
    out.print(f"{copied:,} files were new; open {as_text(str(directory / INDEX))}")


class _Progress:
    """Says how far an export is, every few seconds."""

    def __init__(self) -> None:
        self._started = self._said_at = time.monotonic()

    def day(self, day: date, done: int, days: int) -> None:
        """A day is written."""
        now = time.monotonic()
        if now - self._said_at >= PROGRESS_SECONDS or done == days:
            self._said_at = now
            left = timedelta(seconds=round((now - self._started) / done * (days - done)))
            out.print(f"{day}: {done:,} of {days:,} days, {left} left")

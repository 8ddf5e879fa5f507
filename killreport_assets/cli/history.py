"""`killreport history`: EVE's history by day, from EVE Ref's archives, and how much of it is here."""

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import Stopped
from killreport_assets.cli.common import current_settings, database_of, service_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.lake import needs_extra
from killreport_assets.cli.options import AsCsv, AsJson, AsParquet, Sandbox
from killreport_assets.cli.output import OutputFormat, chosen_format, out, print_records, wide

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

    from killreport_assets.ingest.archives import DayReport
    from killreport_assets.ingest.loader import LoadReport
    from killreport_assets.settings import Settings

history = typer.Typer(no_args_is_help=True, help="EVE's history by day: load it, complete it, see what is here.")
FORMATS = ["%Y-%m-%d"]
PROGRESS_SECONDS = 2.0
From = Annotated[
    datetime | None, typer.Option("--from", formats=FORMATS, metavar="DAY", help="first day; default: 2007-12-05")
]
To = Annotated[datetime | None, typer.Option("--to", formats=FORMATS, metavar="DAY", help="last day; default: today")]


@history.command()
def load(
    first: From = None,
    last: To = None,
    newest_first: Annotated[bool, typer.Option("--newest-first/--oldest-first", help="the order of the days")] = True,
    market: Annotated[bool, typer.Option("--market", help="load the market's prices instead of killmails")] = False,
    wars: Annotated[bool, typer.Option("--wars", help="load wars and their allies instead of killmails")] = False,
    lake: Annotated[
        str | None,
        typer.Option("--lake", metavar="URL", help="load another KillReport's lake, with dimensions and prices"),
    ] = None,
    sandbox: Sandbox = False,
) -> None:
    """Load the days of a span from EVE Ref's daily archives. Ctrl-C at any moment; the same command goes on.

    A day that is here already, as a whole, is not read again. Two archives are downloaded at once; they are kept in
    HOME/archives within KILLREPORT_ARCHIVE_CACHE_MIB. Wars come in archives of a year until 2020, then of a day. The
    marts are built by Dagster's schedules, or by `killreport dbt build`.
    """
    if market + wars + (lake is not None) > 1:
        raise UserError("--market, --wars and --lake are loads of their own: run them one after the other")
    days = _days(first, last)
    if newest_first:
        days.reverse()
    settings = service_settings(sandbox=sandbox)
    progress = _Progress()
    load_them = _load_market if market else _load_wars if wars else _load_killmails
    if lake is not None:
        needs_extra()
        load_them = partial(_load_lake, lake)
    with database_of(settings, asks_services=True, begins=True) as engine:
        try:
            report = load_them(settings, engine, days, progress)
        except Stopped:
            out.print(f"stopped; {progress.said()}. The same command goes on")
            raise
    _print_report(report)


@history.command()
def repair(first: From = None, last: To = None, sandbox: Sandbox = False) -> None:
    """Compare the days that are here with zKillboard's lists, and request what they name and no archive has.

    Without --from and --to: every day that was loaded, or of which the feed has brought a killmail.
    """
    from killreport_assets.ingest.history_repairs import HistoryRepairs
    from killreport_assets.sources.r2z2_history import R2z2History

    settings = service_settings(sandbox=sandbox)
    days = _days(first, last) if first or last else None
    with (
        database_of(settings, asks_services=True) as engine,
        closing(R2z2History(settings, engine)) as lists,
    ):
        _print_report(HistoryRepairs(lists, days).load(engine))


@history.command()
def status(as_json: AsJson = False, as_csv: AsCsv = False, as_parquet: AsParquet = False) -> None:
    """Show by year which days are loaded and built, and how many of the killmails that there are.

    By day: the table ops.history_days, and the mart fct_completeness.
    """
    from killreport_assets.store.history import HistoryYear, history_years

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        years = history_years(connection)
    if output is not OutputFormat.table:
        print_records(HistoryYear, years, output)
        return
    table = Table(box=None, header_style="bold")
    for header in (
        *("year", "days", "loaded", "incomplete", "to build", "EVE Ref", "zKillboard", "stored", "share"),
        "missing for good",
    ):
        table.add_column(header, justify="right")
    for year in years:
        counts = (year.days, year.loaded, year.incomplete, year.days_to_build)
        killmails = (year.everef, year.zkillboard, year.stored)
        share = f"{year.share:.2%}" if year.share is not None else ""
        shown = [f"{count:,}" for count in (*counts, *killmails)]
        table.add_row(str(year.year), *shown, share, f"{year.missing_for_good:,}")
    wide.print(table if table.row_count else "nothing is known yet; `killreport history load` begins")


def _load_killmails(settings: "Settings", engine: "Engine", days: list[date], progress: "_Progress") -> "LoadReport":
    from killreport_assets.ingest.history import HistoryLoader
    from killreport_assets.sources.everef import EveRef

    with closing(EveRef(settings)) as everef:
        return HistoryLoader(everef, days, look_at_all=False, on_day=progress.loaded, on_begin=progress.expect).load(
            engine
        )


def _load_market(settings: "Settings", engine: "Engine", days: list[date], progress: "_Progress") -> "LoadReport":
    from killreport_assets.ingest.market import MarketHistoryLoader
    from killreport_assets.sources.market_history import MarketHistory

    def on_day(day: date, facts: dict[str, int | str]) -> None:
        progress.part(f"{day}", int(facts["rows"]))

    with closing(MarketHistory(settings)) as files:
        available = files.totals()
        wanted = [day for day in days if day in available]
        progress.expect(len(wanted), "rows")
        return MarketHistoryLoader(files, settings.data.market_regions, wanted, on_day=on_day).load(engine)


def _load_lake(
    url: str, _settings: "Settings", engine: "Engine", days: list[date], progress: "_Progress"
) -> "LoadReport":
    from killreport_assets.ingest.loader import LoadReport
    from killreport_assets.lake.load import LakeLoader
    from killreport_assets.lake.storage import LakeStorage

    def on_day(day: date, stored: int) -> None:
        progress.part(f"{day}", stored)

    return LoadReport(LakeLoader(engine, LakeStorage(url), progress.expect, on_day).load(days))


def _load_wars(settings: "Settings", engine: "Engine", days: list[date], progress: "_Progress") -> "LoadReport":
    from killreport_assets.ingest.wars import WarArchiveLoader, archive_span
    from killreport_assets.sources.war_archives import WarArchives

    def on_archive(name: str, facts: dict[str, int | str]) -> None:
        progress.part(name, int(facts["wars"]))

    with closing(WarArchives(settings)) as archives:
        available = archives.available()
        spans = {name: archive_span(name) for name in available}
        names = [name for name, (begins, ends) in spans.items() if begins <= max(days) and ends >= min(days)]
        progress.expect(len(names), "wars", "archives")
        return WarArchiveLoader(archives, available, names, on_archive=on_archive).load(engine)


def _days(first: datetime | None, last: datetime | None) -> list[date]:
    from killreport_assets.store.history import FIRST_DAY

    today = datetime.now(UTC).date()
    begins, ends = first.date() if first else FIRST_DAY, last.date() if last else today
    if begins > ends:
        raise UserError(f"--from {begins} is after --to {ends}")
    if ends > today:
        raise UserError(f"--to {ends} is in the future")
    return [begins + timedelta(days=number) for number in range((ends - begins).days + 1)]


class _Progress:
    """Says how far a load is, every few seconds: days or archives, killmails a second, time left."""

    def __init__(self) -> None:
        self._started = self._said_at = time.monotonic()
        self._done = self._expected = self._count = 0
        self._unit, self._parts = "killmails", "days"

    def expect(self, count: int, unit: str = "killmails", parts: str = "days") -> None:
        """So many days or archives are to be loaded."""
        self._expected, self._unit, self._parts = count, unit, parts
        self._started = time.monotonic()
        out.print(f"{count:,} {parts} to look at" if count else f"all {parts} are here already")

    def loaded(self, report: "DayReport") -> None:
        """A day of killmails is done."""
        if report.problem is not None:
            out.print(f"[red]{report.day}[/]: {escape(report.problem)}")
        self.part(f"{report.day}", len(report.written.stored))

    def part(self, name: str, count: int) -> None:
        """A day or an archive is done, and has brought so much."""
        self._done += 1
        self._count += count
        if time.monotonic() - self._said_at >= PROGRESS_SECONDS or self._done == self._expected:
            self._said_at = time.monotonic()
            out.print(f"{name}: {self.said()}, {self._left()} left")

    def said(self) -> str:
        """How far it is."""
        rate = self._count / max(0.001, time.monotonic() - self._started)
        return f"{self._done:,} of {self._expected:,} {self._parts}, {self._count:,} new {self._unit}, {rate:,.0f}/s"

    def _left(self) -> str:
        seconds = (time.monotonic() - self._started) / max(1, self._done) * (self._expected - self._done)
        return str(timedelta(seconds=round(seconds)))


def _print_report(report: "LoadReport") -> None:
    for name, fact in report.facts.items():
        out.print(f"{name}: {fact:,}" if isinstance(fact, int) else f"{name}: {escape(fact)}")
    if report.waiting is not None:
        out.print(escape(report.waiting))
    problems: Sequence[str] = report.problems
    for problem in problems[:20]:
        out.print(f"[red]{escape(problem)}[/]")
    if problems:
        out.print(f"{len(problems):,} of them have problems; the same command tries them again")
        raise typer.Exit(ExitCode.service)

"""The command `killreport` and its main commands. Commands are thin; heavy libraries are imported where needed."""

import os
import sys
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.markup import escape

from killreport_assets import __version__
from killreport_assets.base.errors import UserError
from killreport_assets.base.logs import configure_logging
from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.base.stopping import Stopped, stop_on_signals
from killreport_assets.cli import api as api_cli
from killreport_assets.cli import fit as fit_cli
from killreport_assets.cli import history as history_cli
from killreport_assets.cli import lake as lake_cli
from killreport_assets.cli import operations as operation_cli
from killreport_assets.cli import people as people_cli
from killreport_assets.cli import programs as program_cli
from killreport_assets.cli import repair as repair_cli
from killreport_assets.cli import report as report_cli
from killreport_assets.cli import services as service_cli
from killreport_assets.cli import users as user_cli
from killreport_assets.cli import web as web_cli
from killreport_assets.cli import work as work_cli
from killreport_assets.cli import workers as worker_cli
from killreport_assets.cli.common import check_port, current_settings
from killreport_assets.cli.exit_codes import SUMMARY, ExitCode
from killreport_assets.cli.options import (
    MAX_DAYS,
    MAX_ID,
    MAX_PORT,
    MIN_PORT,
    AsCsv,
    AsJson,
    AsParquet,
    ReleaseEvery,
    refuse_without,
)
from killreport_assets.cli.output import OutputFormat, chosen_format, err, out, print_error, print_line, print_rows
from killreport_assets.settings import Settings

app = typer.Typer(
    name="killreport",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="EVE Online killmails as Dagster data assets: collected, stored whole, enriched, and transformed with dbt.",
    epilog=f"Settings are variables that start with KILLREPORT_; `killreport settings` lists them. {SUMMARY}",
)
app.add_typer(work_cli.app)
app.add_typer(worker_cli.app)
app.add_typer(service_cli.app)
app.add_typer(fit_cli.app)
app.add_typer(report_cli.app)
app.add_typer(repair_cli.app)
app.add_typer(program_cli.app)
app.add_typer(web_cli.app)
app.add_typer(web_cli.web, name="web")
app.add_typer(api_cli.api, name="api")
app.add_typer(history_cli.history, name="history")
app.add_typer(lake_cli.lake, name="lake")
app.add_typer(web_cli.auth, name="auth")
app.add_typer(operation_cli.app)
app.add_typer(people_cli.analyst, name="analyst")
app.add_typer(people_cli.erase, name="erase")
app.add_typer(people_cli.alerts, name="alerts")
app.add_typer(user_cli.users, name="users")
app.add_typer(user_cli.tokens, name="tokens")
_UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
"""The base of all errors of options and arguments: typer has no public name for it."""
DEFAULT_RELEASE_SECONDS = 5.0


class Source(StrEnum):
    """Where a run gets its killmails from."""

    sandbox = "sandbox"
    live = "live"


class GeneratedProfile(StrEnum):
    """What the sandbox's generated killmails are like."""

    fights = "fights"
    history = "history"


def main() -> None:
    """Run the command line. Expected errors are printed in one line; the exit codes are in exit_codes.py."""
    os.umask(0o077)  # what is in HOME is its owner's alone
    stop_on_signals()
    never_proxy_loopback()
    try:
        sys.exit(app(standalone_mode=False))
    except Stopped as stopped:
        err.print("stopped; the command can be run again")
        sys.exit(stopped.exit_code)
    except typer.Abort:
        print_error("not confirmed: nothing was changed")
        sys.exit(ExitCode.unhealthy)
    except _UsageError as wrong:
        if sentence := wrong.format_message():  # empty where the help was printed instead
            command = wrong.ctx.command_path if wrong.ctx else "killreport"
            print_error(f"{sentence.rstrip('.')}; see {command} --help")
        sys.exit(ExitCode.wrong)
    except Exception as error:
        from killreport_assets.cli.failures import report

        code = report(error)
        if code is None:
            raise
        sys.exit(code)


def _show_version(value: bool) -> None:
    if value:
        out.print(f"killreport {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    with suppress(UserError):  # a command that needs the settings reports what is wrong
        settings = current_settings()
        _say_found_home(settings)
        # A command's output is for its user: runs log what they do, commands only warnings, unless a level is set.
        process = settings.process
        level = process.log_level if "log_level" in process.model_fields_set else "WARNING"
        configure_logging(process.log_format, level)


def _say_found_home(settings: Settings) -> None:
    """Say which home is used where no setting and not the working directory says it."""
    if "home" not in settings.process.model_fields_set and settings.home.parent != Path.cwd():
        err.print(f"using {escape(str(settings.home))}; KILLREPORT_HOME chooses another")


@app.command()
def run(
    source: Annotated[Source, typer.Option(help="sandbox: the genuine killmails that come with KillReport")] = (
        Source.sandbox
    ),
    from_sequence: Annotated[
        int | None,
        typer.Option(
            min=1, max=MAX_ID, help="live: where to start the feed when there is no cursor yet; default its head"
        ),
    ] = None,
    days: Annotated[
        int, typer.Option(min=0, max=MAX_DAYS, help="live: how many days of EVE Ref's archives to load")
    ] = 0,
    character: Annotated[
        list[int] | None,
        typer.Option(min=1, max=MAX_ID, help="live: a character whose zKillboard list to read; may be repeated"),
    ] = None,
) -> None:
    """Load killmails from every source, fetch what they mention, build the dbt tables, and print a summary.

    Bounded, resumable, and safe to repeat. Exits with 0 only when nothing was left behind.
    """
    from killreport_assets.cli import run as run_command

    is_live = source is Source.live
    refuse_without("--source live", is_given=is_live, from_sequence=from_sequence, days=days, character=character)
    options = run_command.LiveOptions(from_sequence, days, character or [])
    complete = run_command.run_main_job(live=options if is_live else None)
    raise typer.Exit(0 if complete else 1)


@app.command()
def dev(
    live: Annotated[bool, typer.Option("--live", help="use the configured services, not the sandbox")] = False,
    release_every: ReleaseEvery = None,
) -> None:
    """Serve the Dagster UI over the same data; on the sandbox, with a feed that grows. Ctrl-C stops it.

    Exits with 2 when its port is taken, with 1 when one of Dagster's processes cannot be kept running.
    """
    from killreport_assets.cli.dev import serve

    refuse_without("the sandbox, which --live does not use", is_given=not live, release_every=release_every)
    serve(live=live, release_every=release_every or DEFAULT_RELEASE_SECONDS)


@app.command()
def up(
    tcp: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="also listen on this loopback port, with a password")
    ] = None,
) -> None:
    """Start the embedded PostgreSQL (any command that needs it does); it runs until `killreport down`."""
    from killreport_assets.database.embedded import EmbeddedPostgres

    settings = current_settings()
    if settings.database.database_url is not None:
        raise UserError("KILLREPORT_DATABASE_URL is set: that PostgreSQL is used, not an embedded one")
    server = EmbeddedPostgres(settings.home)
    server.start(tcp)
    out.print(f"PostgreSQL is up in {escape(str(settings.home))} (process {server.pid})")
    if server.tcp_port:
        out.print(f"and on 127.0.0.1:{server.tcp_port}; `killreport database-url` prints the URL with its password")


@app.command()
def down() -> None:
    """Stop the embedded PostgreSQL."""
    from killreport_assets.database.embedded import EmbeddedPostgres

    stopped = EmbeddedPostgres(current_settings().home).stop()
    out.print("PostgreSQL is down" if stopped else "PostgreSQL was not running")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="print an object; unknown is null")] = False) -> None:
    """Show the platform's health: contents, queues, feeds, request budget, jobs, users. Exits with 1 if not healthy."""
    from killreport_assets.cli.status import show_status

    if not show_status(current_settings(), as_json=as_json):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Create missing databases and migrate their schema to this version; safe to repeat."""
    from killreport_assets.database.migrate import head
    from killreport_assets.provision.database import bring_up_to_date, created_database

    settings = current_settings()
    changed = bring_up_to_date(settings, created_database(settings))
    out.print(f"migrated to version {head()}" if changed else f"already at version {head()}")


@app.command("database-url")
def database_url() -> None:
    """Print the URL for psql or a BI tool; it may contain a password."""
    from killreport_assets.database.embedded import EmbeddedPostgres
    from killreport_assets.database.engine import DATABASE, libpq_url
    from killreport_assets.provision.database import check_for_data

    settings = current_settings()
    url = libpq_url(check_for_data(settings).killreport)
    if settings.database.database_url is None:
        url = EmbeddedPostgres(settings.home).tcp_url(DATABASE) or url
    print_line(url)


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help="one statement that only reads")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """Run one read-only statement and print its rows as a table."""
    from killreport_assets.cli.sql import run_statement

    run_statement(current_settings(), statement, chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet))


@app.command()
def query(
    name: Annotated[str | None, typer.Argument(help="the query to run; without it, the queries are listed")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
    show: Annotated[bool, typer.Option("--show", help="print the SQL instead of running it")] = False,
) -> None:
    """Run one of the example queries over the marts."""
    from killreport_assets.cli.sql import about, named_queries, run_statement

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    if show and (name is None or output is not OutputFormat.table):
        raise UserError("--show prints the SQL of one query: give its name, and no format")
    queries = named_queries()
    if name is None:
        print_rows(["query", "shows"], [[known, about(text)] for known, text in queries.items()], output)
        return
    if name not in queries:
        raise UserError(f"there is no query {name!r}; there are {', '.join(queries)}")
    if show:
        print_line(queries[name].rstrip())
        return
    run_statement(current_settings(), queries[name], output)


@app.command()
def sandbox(
    port: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="default: KILLREPORT_SANDBOX_PORT")
    ] = None,
    release_every: ReleaseEvery = None,
    seed: Annotated[int, typer.Option(min=0, max=MAX_ID, help="seed of the generated killmails")] = 0,
    profile: Annotated[GeneratedProfile, typer.Option(help="profile of the generated killmails")] = (
        GeneratedProfile.fights
    ),
) -> None:
    """Serve a local ESI, R2Z2, zKillboard, EVE Ref and static data export over genuine killmails. Ctrl-C stops it."""
    from killreport_assets.sandbox.process import serve, service_urls

    settings = current_settings()
    chosen = port or settings.process.sandbox_port
    check_port("127.0.0.1", chosen, "KILLREPORT_SANDBOX_PORT")
    out.print(f"The sandbox serves on 127.0.0.1:{chosen}. To use it elsewhere:")
    for name, url in service_urls(chosen).items():
        out.print(f"  export {name}={url}")
    settings.home.mkdir(parents=True, exist_ok=True)
    serve(chosen, settings.home / "sandbox-feed", release_every, seed, profile.value)


@app.command()
def settings(
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """List every setting, its value, and what it is for."""
    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    rows = []
    for group in current_settings().groups.values():
        values = dict(group)
        for name, info in type(group).model_fields.items():
            value = None if values[name] is None else str(values[name])
            rows.append([f"KILLREPORT_{name.upper()}", value, info.description])
    print_rows(["variable", "value", "description"], rows, output)

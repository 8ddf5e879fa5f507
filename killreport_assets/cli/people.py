"""The commands about people: analysts, alerts' readers, and characters whose data is erased."""

from typing import Annotated

import typer
from rich.markup import escape

from killreport_assets.base.text import printable
from killreport_assets.cli.common import current_settings, database_of, service_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import MAX_ID, AsCsv, AsJson, AsParquet, Sandbox
from killreport_assets.cli.output import chosen_format, out, print_line, print_records

analyst = typer.Typer(no_args_is_help=True, help="Roles of PostgreSQL that read the tables of dbt, and nothing else.")
erase = typer.Typer(no_args_is_help=True, help="Erase what is known about a person, at that person's request.")
alerts = typer.Typer(no_args_is_help=True, help="Messages to KILLREPORT_ALERT_URLS when problems begin and end.")
Name = Annotated[str, typer.Argument(help="lower-case letters, digits and _")]


@analyst.command("add")
def add(name: Name) -> None:
    """Make a role that may log in, and print its URL with the password, which is shown once.

    It reads the schemas marts and staging, with limits: 60 s a statement, 4 connections, 4 GB of temporary files.
    """
    from killreport_assets.database.embedded import EmbeddedPostgres
    from killreport_assets.database.engine import DATABASE, libpq_url
    from killreport_assets.provision.analysts import add_analyst

    settings = current_settings()
    with database_of(settings) as engine:
        password = add_analyst(engine, name)
        url = engine.url.set(username=name, password=password)
    shown = libpq_url(url)
    if settings.database.database_url is None:
        port = EmbeddedPostgres(settings.home).tcp_port
        shown = f"postgresql://{name}:{password}@127.0.0.1:{port or 'PORT'}/{DATABASE}"
        if port is None:
            out.print("the embedded server does not listen on a port yet: `killreport up --tcp PORT`")
    print_line(shown)


@analyst.command("list")
def list_all(as_json: AsJson = False, as_csv: AsCsv = False, as_parquet: AsParquet = False) -> None:
    """List the analysts, and how many sessions each has now."""
    from killreport_assets.provision.analysts import Analyst, list_analysts

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine:
        print_records(Analyst, list_analysts(engine), output)


@analyst.command("remove")
def remove(name: Name) -> None:
    """End an analyst's sessions, and remove the role."""
    from killreport_assets.provision.analysts import remove_analyst

    with database_of(current_settings()) as engine:
        remove_analyst(engine, name)
    out.print(f"{escape(name)} is no longer an analyst")


@erase.command("character")
def erase_character(
    character_id: Annotated[int, typer.Argument(metavar="CHARACTER_ID", min=1, max=MAX_ID, help="whose data")],
    reason: Annotated[str, typer.Option(help="who asked for it and why, for the log")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Erase a character: sign-in, tokens, readings, affiliations, name. Killmails stay, with the id alone.

    It cannot be undone: what is fetched later is not stored either, and the character cannot sign in again. The tables
    of dbt follow at the next nightly build. Backups that were made before still have it.
    """
    from killreport_assets.operations.erasure import erase_character as erase_now
    from killreport_assets.users.tokens import token_keeper

    settings = service_settings(sandbox=sandbox)
    if not yes:
        typer.confirm(f"Erase character {character_id} for good?", abort=True)
    with database_of(settings, asks_services=True) as engine:
        keeper = token_keeper(settings, engine)
        try:
            problem = erase_now(engine, keeper, character_id, reason)
        finally:
            keeper.close()
    out.print(f"character {character_id} is erased; backups made until now still have it")
    if problem is not None:
        out.print(f"[red]EVE did not end the grant[/]: {escape(printable(problem))}; its owner can, at EVE's site")
        raise typer.Exit(ExitCode.unhealthy)


@erase.command("list")
def list_erased(as_json: AsJson = False, as_csv: AsCsv = False, as_parquet: AsParquet = False) -> None:
    """List what was erased, when and why."""
    from killreport_assets.operations.erasure import Erasure, list_erasures

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        print_records(Erasure, list_erasures(connection), output)


@alerts.command("watch")
def watch() -> None:
    """Look at the platform's health every 15 seconds, and send what begins and what ends. Ctrl-C stops it.

    `killreport dev` starts it where KILLREPORT_ALERT_URLS is set. One for each platform is enough.
    """
    from killreport_assets.operations.alerts import watch as watch_health

    watch_health(current_settings())


@alerts.command("test")
def test() -> None:
    """Send one message to every address of KILLREPORT_ALERT_URLS."""
    from killreport_assets.operations.alerts import Addresses

    text = "This is what `killreport alerts test` sends. Nothing is wrong."
    if refused := Addresses(current_settings()).refusing("KillReport: a test", text):
        numbers = ", ".join(map(str, refused))
        out.print(f"[red]not every address of KILLREPORT_ALERT_URLS took it[/]: check number {numbers}")
        raise typer.Exit(ExitCode.service)
    out.print("sent to every address of KILLREPORT_ALERT_URLS")

"""The commands for users: who has signed in, their intervals, their tokens' keys."""

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from killreport_assets.base.errors import UserError
from killreport_assets.base.text import printable
from killreport_assets.cli.common import broker_of, current_settings, database_of, service_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import MAX_ID, AsCsv, AsJson, AsParquet, Sandbox
from killreport_assets.cli.output import OutputFormat, chosen_format, print_line, print_records
from killreport_assets.cli.output import wide as out

users = typer.Typer(no_args_is_help=True, help="Users who have signed in with EVE, and their killmail lists.")
tokens = typer.Typer(no_args_is_help=True, help="The keys that users' tokens are encrypted with.")
MAX_INTERVAL_DIGITS = 8
CharacterId = Annotated[
    int, typer.Argument(metavar="CHARACTER_ID", min=1, max=MAX_ID, help="from `killreport users list`")
]


@users.command("list")
def list_all(
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """List the users who have signed in: state, intervals, last and next sync."""
    from killreport_assets.users.store import User, list_users

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        found = list_users(connection)
    if output is not OutputFormat.table:
        print_records(User, found, output)
        return
    table = Table(box=None, header_style="bold")
    for header in ("character", "name", "state", "corporation", "every", "last sync", "next sync", "outcome"):
        table.add_column(header, overflow="fold")
    for user in found:
        table.add_row(
            str(user.character_id),
            escape(user.character_name),
            user.state,
            user.corporation_state,
            f"{user.interval_seconds} s" if user.interval_seconds else user.tier,
            f"{user.synced_at:%F %T}" if user.synced_at else "never",
            f"{user.next_at:%F %T}" if user.next_at else "none",
            escape(user.reason or user.corporation_reason or user.outcome or ""),
        )
    out.print(table if table.row_count else "no user has signed in; `killreport web serve` serves the page")


@users.command()
def show(character_id: CharacterId) -> None:
    """Print everything about one user except the tokens."""
    from killreport_assets.users.store import get_user

    with database_of(current_settings()) as engine, engine.connect() as connection:
        for name, value in asdict(get_user(connection, character_id)).items():
            shown = ", ".join(value) if isinstance(value, list) else "" if value is None else str(value)
            out.print(f"[bold]{name}[/]: {escape(shown)}")


@users.command()
def sync(
    character_ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="[CHARACTER_ID]...", min=1, max=MAX_ID, help="from `killreport users list`"),
    ] = None,
    due: Annotated[bool, typer.Option("--due", help="all lists that are due, as the schedule does")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Queue users' killmail lists: those of these users before all others, or all that are due."""
    from killreport_assets.esi.client import EsiClient
    from killreport_assets.users.syncs import queue_due, queue_now

    settings = service_settings(sandbox=sandbox)
    if due == bool(character_ids):
        raise UserError("give character ids, or --due")
    with database_of(settings, asks_services=True) as engine, broker_of(settings, engine) as broker:
        esi = EsiClient(settings, engine)
        try:
            if character_ids:
                out.print(f"queued {queue_now(engine, broker, character_ids, esi=esi)} lists")
                return
            queued = queue_due(engine, broker, esi, settings)
        finally:
            esi.close()
    out.print(
        f"due: {queued.due_users} users, {queued.due_corporations} corporations; not queued yet {queued.requested}; "
        f"published {queued.published}"
    )


@users.command()
def interval(
    character_id: CharacterId,
    every: Annotated[str, typer.Argument(help="standard, premium, or seconds (300 and more)")],
) -> None:
    """Set how often a user's killmails are listed; those of inactive users are still listed less often."""
    from killreport_assets.users.store import TIERS, get_user, set_interval

    seconds = int(every) if every.isdecimal() and len(every) <= MAX_INTERVAL_DIGITS else None
    if every not in TIERS and (seconds is None or not 300 <= seconds <= 10_000_000):
        raise UserError(f"{every!r} is not an interval: standard, premium, or 300 seconds (ESI's cache) and more")
    with database_of(current_settings()) as engine, engine.begin() as connection:
        user = get_user(connection, character_id)
        set_interval(connection, character_id, tier=every if seconds is None else None, seconds=seconds)
    out.print(f"{escape(user.character_name)}: {every}{' s' if seconds else ''}, from the next sync on")


@users.command()
def forget(
    character_id: CharacterId,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
    sandbox: Sandbox = False,
) -> None:
    """End a user's grant at EVE and delete everything about the user here except the killmails."""
    from killreport_assets.users.store import get_user
    from killreport_assets.users.tokens import token_keeper

    settings = service_settings(sandbox=sandbox)
    with database_of(settings, asks_services=True) as engine:
        with engine.connect() as connection:
            user = get_user(connection, character_id)
        if not yes:
            typer.confirm(f"Forget {printable(user.character_name)}?", abort=True)
        keeper = token_keeper(settings, engine)
        problem = keeper.forget(character_id)
        keeper.close()
    out.print(f"{escape(user.character_name)} is forgotten")
    if problem is not None:
        out.print(f"[red]EVE did not end the grant[/]: {escape(problem)}; the user can end the grant at EVE's site")
        raise typer.Exit(ExitCode.unhealthy)


@tokens.command("rotate-key")
def rotate_key() -> None:
    """Encrypt every token again with a new key, while everything runs.

    With KILLREPORT_TOKEN_KEY: put the new key in front of the old one, restart everything, and only then run this.
    """
    from killreport_assets.users.key_rotation import rotate_key as rotate

    with database_of(current_settings()) as engine:
        done = rotate(engine, current_settings())
    out.print(f"encrypted the tokens of {len(done.tokens.users)} users with key {done.key_id}")
    out.print("restart `killreport web serve`, if it runs: its sessions are signed with the old key until then")
    if done.tokens.damaged:
        out.print(f"[red]damaged[/]: those of {', '.join(map(str, done.tokens.damaged))}; they have to sign in again")
    if done.tokens.key_missing:
        missing = ", ".join(map(str, done.tokens.key_missing))
        out.print(
            f"[red]their key is missing[/]: those of {missing}; put it back behind the newest, and run this again"
        )


@tokens.command("new-key")
def new_key() -> None:
    """Print a new key, for KILLREPORT_TOKEN_KEY."""
    from killreport_assets.users import vault

    print_line(vault.new_key())

"""The commands of the API's tokens."""

from typing import Annotated

import typer
from rich.markup import escape

from killreport_assets.cli.common import current_settings, database_of
from killreport_assets.cli.options import MAX_ID, AsCsv, AsJson, AsParquet
from killreport_assets.cli.output import OutputFormat, chosen_format, print_line, print_records
from killreport_assets.cli.output import wide as out

api = typer.Typer(no_args_is_help=True, help="The API of the web application.")
token = typer.Typer(no_args_is_help=True, help="Tokens of programs that use the API.")
api.add_typer(token, name="token")
MAX_DAYS = 3_650


@token.command()
def new(
    name: Annotated[str, typer.Argument(help="what it is for")],
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="after which it expires")] = 365,
    character: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_ID, help="a user's character: the token may read that user's own killmails"),
    ] = None,
    sync: Annotated[bool, typer.Option("--sync", help="it may also request syncs; needs --character")] = False,
) -> None:
    """Make a token and print it: it cannot be shown again."""
    from killreport_assets.database.migrate import writing
    from killreport_assets.users.store import get_user
    from killreport_assets.web.api_tokens import READ, SYNC, new_token

    with database_of(current_settings()) as engine, writing(engine) as connection:
        account = get_user(connection, character).account_id if character is not None else None
        scopes = [READ, SYNC] if sync else [READ]
        print_line(new_token(connection, name, scopes, days=days, account_id=account))


@token.command("list")
def list_all(as_json: AsJson = False, as_csv: AsCsv = False, as_parquet: AsParquet = False) -> None:
    """List the tokens: what they are for, may do, and when they were used; never the tokens themselves."""
    from rich.table import Table

    from killreport_assets.web.api_tokens import ApiToken, list_tokens

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        found = list_tokens(connection)
    if output is not OutputFormat.table:
        print_records(ApiToken, found, output)
        return
    table = Table(box=None, header_style="bold")
    for header in ("token", "name", "account", "scopes", "expires", "last used", "revoked"):
        table.add_column(header, overflow="fold")
    for one in found:
        moments = [f"{at:%F %T}" if at else "never" for at in (one.expires_at, one.last_used_at, one.revoked_at)]
        account = str(one.account_id) if one.account_id is not None else "none"
        table.add_row(one.token_id, escape(one.name), account, ", ".join(one.scopes), *moments)
    out.print(table if table.row_count else "there is no token; `killreport api token new NAME` makes one")


@token.command()
def revoke(token_id: Annotated[str, typer.Argument(help="from `killreport api token list`")]) -> None:
    """Revoke a token: it is refused from now on."""
    from killreport_assets.database.migrate import writing
    from killreport_assets.web.api_tokens import revoke_token

    with database_of(current_settings()) as engine, writing(engine) as connection:
        revoke_token(connection, token_id)
    out.print(f"token {token_id} is revoked")

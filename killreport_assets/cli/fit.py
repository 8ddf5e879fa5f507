"""`killreport fit`: the fit of a lost ship, as text that fitting tools read."""

from typing import Annotated

import typer

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import current_settings, database_of
from killreport_assets.cli.options import MAX_ID
from killreport_assets.cli.output import print_line

app = typer.Typer()


@app.command()
def fit(
    killmail_id: Annotated[int, typer.Argument(metavar="KILLMAIL", min=1, max=MAX_ID, help="the killmail's id")],
) -> None:
    """Print what was fitted to a lost ship as EFT text, for pyfa, EVE itself and other fitting tools.

    Modules with their charges by rack, then drones and cargo. It needs the dbt tables.
    """
    from killreport_assets.web import killmails, statistics
    from killreport_assets.web.fitting import eft_text, fit_of

    with database_of(current_settings()) as engine, engine.connect() as connection:
        if not statistics.is_built(connection):
            raise UserError("the dbt tables are not built yet: killreport dbt build")
        row = killmails.killmail(connection, killmail_id)
        if row is None:
            raise UserError(f"killmail {killmail_id} is not stored, or not built yet: killreport trace killmail")
        found = fit_of(killmails.items_of(connection, [killmail_id]))
    if not found.racks:
        raise UserError(f"nothing was fitted to the ship of killmail {killmail_id}, or its slots are not known")
    hull = row["victim_ship_name"] or f"Type {row['victim_ship_type_id']}"
    print_line(eft_text(hull, f"killmail {killmail_id}", found).rstrip("\n"))

"""`killreport report`: a battle, or an entity's last days, as a page in one file."""

from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import current_settings, database_of
from killreport_assets.cli.options import MAX_DAYS, MAX_ID, refuse_without
from killreport_assets.cli.output import print_line

app = typer.Typer()


@app.command()
def report(
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write, as report.html")],
    battle: Annotated[
        int | None, typer.Option(min=1, max=MAX_ID, help="a battle: its id, or that of any of its killmails")
    ] = None,
    entity: Annotated[
        str | None, typer.Option(help="a character, corporation or alliance, as corporation:98000001")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=MAX_DAYS, help="so many days of the entity (90)")] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="the last of these days; default: the last build's")
    ] = None,
) -> None:
    """Write a report as one HTML file: charts, tables and pictures are in it, and nothing is loaded from elsewhere.

    Links in it lead to the pages of `killreport web serve`. It needs the dbt tables.
    """
    from killreport_assets.web.reports import Reports, entity_of

    refuse_without("--entity", is_given=entity is not None, days=days, until=until)
    if (battle is None) == (entity is None):
        raise UserError("a report is of one thing: --battle ID or --entity KIND:ID")
    settings = current_settings()
    last: date | None = until.date() if until else None
    with database_of(settings) as engine, engine.connect() as connection:
        reports = Reports(settings)
        if battle is not None:
            page = reports.of_battle(connection, battle)
        else:
            page = reports.of_entity(connection, *entity_of(str(entity)), days or 90, last)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror}") from None
    print_line(f"{output}: {len(page.encode()) / 1e3:,.0f} kB")

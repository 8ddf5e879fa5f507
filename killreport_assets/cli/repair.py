"""`killreport repair` and `killreport pauses`: what an operator mends by hand."""

from typing import Annotated

import typer
from rich.markup import escape

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import current_settings, database_of
from killreport_assets.cli.options import AsCsv, AsJson, AsParquet
from killreport_assets.cli.output import OutputFormat, chosen_format, out, print_records

app = typer.Typer()
pauses = typer.Typer(no_args_is_help=True, help="Pauses that services requested: no request is sent before their end.")
app.add_typer(pauses, name="pauses")


@app.command()
def repair(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only list what would be changed")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """Find killmails that are stored twice, with two times, and move the later ones to the rejected killmails."""
    from killreport_assets.store.repairs import Duplicate, killmails_with_two_times, reject_duplicates

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine:
        if dry_run:
            with engine.connect() as connection:
                found = killmails_with_two_times(connection)
        else:
            found = reject_duplicates(engine)
    if output is not OutputFormat.table:
        print_records(Duplicate, found, output)
        return
    for one in found:
        out.print(
            f"killmail {one.killmail_id} of {one.killmail_time:%F %T} from {escape(one.source)}: "
            f"stored before with {one.first_time:%F %T}"
        )
    done = "to move" if dry_run else "moved to ops.rejected_killmails; the next dbt build corrects their days"
    out.print(f"{len(found):,} {done}" if found else "nothing to repair")


@pauses.command("list")
def list_pauses(
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """List the services and token buckets that are paused, with the reason."""
    from killreport_assets.http.pauses import Pause
    from killreport_assets.http.pauses import pauses as current_pauses

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        found = current_pauses(connection)
    if output is not OutputFormat.table:
        print_records(Pause, found, output)
        return
    for pause in found:
        out.print(f"{escape(pause.service)} until {pause.until:%F %T} UTC: {escape(pause.reason)}")
    if not found:
        out.print("nothing is paused")


@pauses.command()
def lift(
    services: Annotated[list[str], typer.Argument(help="names as `killreport pauses list` prints them")],
) -> None:
    """End pauses now; requests go on, and a service that still throttles pauses them again."""
    from killreport_assets.http.pauses import lift_pauses

    with database_of(current_settings()) as engine, engine.begin() as connection:
        lifted = lift_pauses(connection, services)
    if missing := sorted(set(services) - set(lifted)):
        raise UserError(f"not paused: {', '.join(missing)}; `killreport pauses list` lists what is")
    out.print(f"lifted: {', '.join(lifted)}")

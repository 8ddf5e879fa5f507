"""Commands that run another program with everything filled in: dbt, dagster, pg_dump. The program takes our place."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import typer

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import current_settings

app = typer.Typer()
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
HELP = {"--help", "-h", "--version"}
PG_DUMP_HELP = {"--help", "-?", "--version", "-V"}


@app.command(context_settings=PASSED_ON, add_help_option=False)
def dbt(context: typer.Context) -> None:
    """Run dbt on dbt_transforms with the connection set: `killreport dbt build --select fct_killmails`."""
    from killreport_assets.provision.database import check_for_data
    from killreport_assets.transforms.project import DBT, PROJECT, dbt_environment

    if not DBT.exists():
        raise UserError("dbt is not installed: pip install 'killreport-assets[dbt]'")
    if not context.args or _only_asks(context.args):
        _become(DBT, context.args)
    settings = current_settings()
    os.environ.update(dbt_environment(check_for_data(settings).killreport, settings.home, settings.data.marts_from))
    _become(DBT, [*context.args, "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)])


@app.command(context_settings=PASSED_ON, add_help_option=False)
def dagster(context: typer.Context) -> None:
    """Run the dagster command in KillReport's Dagster home: `killreport dagster job list -w workspace.yaml`."""
    from killreport_assets.orchestration.instance import enter_dagster_environment

    if context.args[:1] == ["dev"]:
        raise UserError("`dagster dev` answers the pages of every site: use `killreport dev`")
    if not _only_asks(context.args):
        enter_dagster_environment(current_settings())
    _become(Path(sys.executable).with_name("dagster"), context.args)


@app.command("pg_dump", context_settings=PASSED_ON, add_help_option=False)
def pg_dump(context: typer.Context) -> None:
    """Run PostgreSQL's pg_dump on KillReport's database: `killreport pg_dump --format custom --file backup`."""
    from killreport_assets.database.embedded import program
    from killreport_assets.database.engine import libpq_arguments
    from killreport_assets.provision.database import check_for_data

    command = program("pg_dump")
    if _only_asks(context.args, PG_DUMP_HELP):
        _become(command, context.args)
    database, variables = libpq_arguments(check_for_data(current_settings()).killreport)
    os.environ.update(variables)
    _become(command, [database, *context.args])


def _only_asks(arguments: Sequence[str], options: set[str] = HELP) -> bool:
    """Whether the program only prints what it can do: then nothing is started for it."""
    return not options.isdisjoint(arguments)


def _become(program: Path, arguments: Sequence[str]) -> NoReturn:
    os.execv(program, [str(program), *arguments])  # noqa: S606

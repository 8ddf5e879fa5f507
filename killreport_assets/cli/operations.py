"""The commands of the operator's second day: back up, restore, upgrade, and what the doctor finds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from killreport_assets.cli.common import current_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import AsCsv, AsJson, AsParquet, refuse_without
from killreport_assets.cli.output import OutputFormat, chosen_format, out, print_line, print_records, wide

if TYPE_CHECKING:
    from killreport_assets.operations.doctor import Finding

app = typer.Typer()
MAX_KEEP = 10_000
COLOURS = {"ok": "green", "note": "dim", "warning": "yellow", "problem": "bold red"}


@app.command()
def backup(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="where backups go; each has a directory of its own")],
    keep: Annotated[
        int | None, typer.Option(min=1, max=MAX_KEEP, help="delete all but so many of the newest; default: none is")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="also copy the keys, to this directory: it must not be inside DIR")
    ] = None,
    without_marts: Annotated[
        bool,
        typer.Option("--without-marts", help="leave out what dbt makes again: smaller, but restoring takes longer"),
    ] = False,
) -> None:
    """Back up both databases while everything runs. Prints the backup's path.

    The keys of users' tokens are never in it. Messages of RabbitMQ are not either: what they are about is.
    """
    from killreport_assets.operations.backup import back_up, delete_old, read_manifest, save_keys

    settings = current_settings()
    if keys is not None:
        for saved in save_keys(settings, keys, directory):
            _say(f"saved {saved}")
    made = back_up(settings, directory, with_marts=not without_marts, say=_say)
    rows = read_manifest(made).rows
    _say(f"{rows.get('raw.killmails', 0):,} killmails; {sum(rows.values()):,} rows in {len(rows)} tables")
    for deleted in delete_old(directory, keep) if keep else []:
        _say(f"deleted {deleted}")
    if keys is None and (settings.users.token_key is not None or (settings.home / "token-key").exists()):
        _say("the key of users' tokens is not in it: keep a copy elsewhere (--keys), or users have to sign in again")
    print_line(str(made))


@app.command()
def restore(
    backup: Annotated[Path, typer.Argument(metavar="BACKUP", help="the path that `killreport backup` printed")],
    keys: Annotated[Path | None, typer.Option(help="the directory of the keys, as given to `backup --keys`")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="only check that it is whole, and that this version reads it")
    ] = False,
) -> None:
    """Restore a backup into an empty KILLREPORT_HOME, or empty databases, and migrate it to this version.

    Then start what you had started: feeds go on where the backup was made, and the next build makes every table of dbt.
    """
    from killreport_assets.operations.restore import check_backup
    from killreport_assets.operations.restore import restore as restore_backup

    refuse_without("a restore, which --check is not", is_given=not check, keys=keys)
    settings = current_settings()
    manifest = check_backup(backup) if check else restore_backup(settings, backup, keys, _say)
    killmails = manifest.rows.get("raw.killmails", 0)
    out.print(
        f"{'whole' if check else 'restored'}: made at {manifest.time:%F %T} UTC by killreport {manifest.killreport}, "
        f"schema {manifest.schema_version}, {killmails:,} killmails, {sum(manifest.rows.values()):,} rows"
    )
    if not check and not (settings.home / "token-key").exists() and settings.users.token_key is None:
        out.print("no key of users' tokens: those who signed in have to do so again (--keys brings it)")


@app.command()
def doctor(
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """Examine the installation: settings and where they come from, disk, clocks, keys, ports, backups, sizes.

    Each finding says what to do. Exits with 1 when there is a problem; `status` says how the platform is doing.
    """
    from killreport_assets.operations.doctor import Finding, examine

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    found = list(examine(current_settings()))
    if output is OutputFormat.table:
        wide.print(_findings(found))
    else:
        print_records(Finding, found, output)
    if any(finding.state == "problem" for finding in found):
        raise typer.Exit(ExitCode.unhealthy)


def _findings(found: "list[Finding]") -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for header in ("", "about", "finding", "what to do"):
        table.add_column(header, overflow="fold")
    for finding in found:
        colour = COLOURS[finding.state]
        table.add_row(f"[{colour}]{finding.state}[/]", finding.check, escape(finding.says), escape(finding.remedy))
    return table


@app.command()
def upgrade(
    check: Annotated[bool, typer.Option("--check", help="only say what would be done; 1 if anything would")] = False,
) -> None:
    """Bring the data to this version: the embedded PostgreSQL's files, both databases' schemas. Safe to repeat.

    Make a backup with the older version first, and stop its `dev`, daemons and workers.
    """
    from killreport_assets.operations.upgrade import pending_steps

    settings = current_settings()
    steps = pending_steps(settings)
    for step in steps:
        out.print(f"{'to do' if check else 'now'}: {escape(step.says)}")
        if not check:
            step.take()
    if not steps:
        out.print("everything is at this version")
    elif check:
        raise typer.Exit(ExitCode.unhealthy)
    else:
        out.print("done; start what you had stopped")


def _say(line: str) -> None:
    out.print(f"[dim]{escape(line)}[/]")

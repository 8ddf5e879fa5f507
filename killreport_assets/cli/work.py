"""The commands for work: queue it, follow a character, handle dead letters, trace one record."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import broker_of, current_settings, database_of, service_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import (
    MAX_ID,
    MAX_ROWS,
    AsCsv,
    AsJson,
    AsParquet,
    Sandbox,
    SandboxHome,
    refuse_without,
)
from killreport_assets.cli.output import OutputFormat, chosen_format, print_json, print_records, wide

if TYPE_CHECKING:
    from killreport_assets.store.followed import Followed
    from killreport_assets.store.trace import TracedCause
    from killreport_assets.workers.dead_letters import DeadLetter

app = typer.Typer()
dead_letters = typer.Typer(no_args_is_help=True, help="Messages that are not tried again.")
app.add_typer(dead_letters, name="dead-letters")
SCAN = "scan_killmail_entities"


class Followable(StrEnum):
    """What can be followed."""

    character = "character"
    corporation = "corporation"
    alliance = "alliance"


class Traceable(StrEnum):
    """What can be traced."""

    killmail = "killmail"
    character = "character"
    corporation = "corporation"
    alliance = "alliance"
    type = "type"


@app.command()
def queue(
    name: Annotated[
        str,
        typer.Argument(
            help="alliances, alliance_corporations, corporations, characters, types, "
            "character_killmails or scan_killmail_entities"
        ),
    ],
    ids: Annotated[
        list[int] | None, typer.Option("--id", min=1, max=MAX_ID, help="only this id; may be repeated")
    ] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="into the priority lane, which is consumed first")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Publish what is missing or stale to a work queue, as the schedules do. Nothing is published twice."""
    from killreport_assets.esi.client import EsiClient
    from killreport_assets.workers.names import resolve_names
    from killreport_assets.workers.publisher import publish_pending
    from killreport_assets.workers.registry import producer

    settings = service_settings(sandbox=sandbox)
    chosen = None if name == SCAN else producer(name)
    if chosen is None and (ids or urgent):
        raise UserError(f"{SCAN} publishes everything that is pending: it takes neither --id nor --urgent")
    with (
        database_of(settings, asks_services=True, begins=True) as engine,
        broker_of(settings, engine) as broker,
    ):
        esi = EsiClient(settings, engine)
        try:
            if chosen is None:
                published = publish_pending(engine, broker, include_expired=True)
                names = resolve_names(engine, esi)
                wide.print(f"published {published:,} pending; named {names.named:,}")
                if names.stopped_by:
                    wide.print(f"names stopped by: {escape(names.stopped_by)}")
                return
            ttl = timedelta(days=settings.data.entity_ttl_days)
            produced = chosen.produce(engine, broker, esi, ttl, ids=ids, urgent=urgent)
        finally:
            esi.close()
    wide.print(
        f"{name}: found {produced.found:,}, not pending yet {produced.requested:,}; published {produced.published:,}"
    )


@app.command()
def follow(
    kind: Annotated[Followable | None, typer.Argument(help="what to follow")] = None,
    id_: Annotated[int | None, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="its id")] = None,
    show: Annotated[bool, typer.Option("--list", help="list what is followed")] = False,
    sandbox: SandboxHome = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """List killmails on zKillboard regularly: those of a character, or of all known members."""
    from killreport_assets.store import followed

    if show == (kind is not None) or (kind is None) != (id_ is None):
        raise UserError("give what to follow, as in `killreport follow character 580797163`, or --list")
    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    refuse_without("--list", is_given=show, json=as_json, csv=as_csv, parquet=as_parquet)
    settings = service_settings(sandbox=sandbox)
    with database_of(settings, asks_services=sandbox, begins=not show) as engine, engine.begin() as connection:
        if kind is not None and id_ is not None:
            is_new = followed.follow(connection, kind.value, id_)
            wide.print(f"{kind.value} {id_} is {'now' if is_new else 'already'} followed")
        found = followed.list_followed(connection) if show else []
    if output is not OutputFormat.table:
        print_records(followed.Followed, found, output)
    elif show:
        wide.print(_followed(found) if found else "nothing is followed")


def _followed(found: "Sequence[Followed]") -> Table:
    table = Table("kind", "id", "name", "since", "known characters", box=None, header_style="bold")
    for one in found:
        since = f"{one.followed_at:%F %T}"
        table.add_row(one.kind, str(one.entity_id), escape(one.name or "?"), since, f"{one.characters:,}")
    return table


@app.command()
def unfollow(
    kind: Annotated[Followable, typer.Argument(help="what to stop following")],
    id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="its id")],
    sandbox: SandboxHome = False,
) -> None:
    """Stop listing killmails on zKillboard; what is stored stays."""
    from killreport_assets.store import followed

    settings = service_settings(sandbox=sandbox)
    with database_of(settings, asks_services=sandbox) as engine, engine.begin() as connection:
        if not followed.unfollow(connection, kind.value, id_):
            raise UserError(f"{kind.value} {id_} was not followed")
    wide.print(f"{kind.value} {id_} is no longer followed")


@dead_letters.command("list")
def list_letters(
    queue: Annotated[str | None, typer.Option(help="only those of this queue")] = None,
    replayed: Annotated[bool, typer.Option("--all", help="include those that were replayed")] = False,
    limit: Annotated[int, typer.Option(min=1, max=MAX_ROWS, help="how many of the latest to list")] = 50,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """List dead letters, the latest first."""
    from killreport_assets.workers.dead_letters import DeadLetter, list_dead_letters

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine:
        letters = list_dead_letters(engine, queue=queue, replayed=replayed, limit=limit)
    if output is not OutputFormat.table:
        print_records(DeadLetter, letters, output)
        return
    table = Table("id", "queue", "message", "reason", "error", "attempts", "died", box=None, header_style="bold")
    for letter in letters:
        died = f"{letter.died_at:%F %T}" + (" (replayed)" if letter.replayed_at else "")
        table.add_row(
            str(letter.id),
            letter.queue,
            escape(letter.message_id or ""),
            letter.reason,
            escape(letter.error[:80]),
            str(letter.attempts),
            died,
        )
    wide.print(table if table.row_count else "no dead letters")


@dead_letters.command("show")
def show_letter(
    id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="from `dead-letters list`")],
) -> None:
    """Print everything about one dead letter."""
    for name, value in asdict(_letter(id_)).items():
        wide.print(f"[bold]{name}[/]: {escape(str(value)) if value is not None else ''}")


@dead_letters.command("replay")
def replay_letters(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", min=1, max=MAX_ID, help="from `dead-letters list`")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="all of this queue")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all dead letters")] = False,
    urgent: Annotated[bool, typer.Option("--urgent", help="into the priority lane, which is consumed first")] = False,
) -> None:
    """Publish dead letters again; their attempts are counted from zero."""
    from killreport_assets.workers.dead_letters import count_dead_letters, replay

    settings = current_settings()
    with database_of(settings) as engine:
        chosen = _chosen(engine, ids, queue, everything=everything)
        with broker_of(settings, engine) as broker:
            report = replay(engine, broker, chosen, urgent=urgent)
        skipped = len(chosen) - len(report.replayed) - len(report.refused)
        left = count_dead_letters(engine)
    wide.print(f"replayed {len(report.replayed)}, left {left}" + (f", {skipped} not found" if skipped else ""))
    for letter_id, reason in report.refused.items():
        wide.print(f"[red]{letter_id}[/] {escape(reason)}; drop it")
    if report.refused:
        raise typer.Exit(ExitCode.unhealthy)


@dead_letters.command("drop")
def drop_letters(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", min=1, max=MAX_ID, help="from `dead-letters list`")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="all of this queue")] = None,
    everything: Annotated[bool, typer.Option("--all", help="all dead letters")] = False,
) -> None:
    """Delete dead letters permanently; their work is not requested again."""
    from killreport_assets.workers.dead_letters import drop

    with database_of(current_settings()) as engine:
        wide.print(f"dropped {drop(engine, _chosen(engine, ids, queue, everything=everything))}")


def _letter(id_: int) -> "DeadLetter":
    from killreport_assets.workers.dead_letters import list_dead_letters

    with database_of(current_settings()) as engine:
        letters = list_dead_letters(engine, ids=[id_], replayed=True)
    if not letters:
        raise UserError(f"there is no dead letter {id_}")
    return letters[0]


def _chosen(engine: Engine, ids: list[int] | None, queue: str | None, *, everything: bool) -> list[int]:
    from killreport_assets.workers.dead_letters import list_dead_letters

    if sum((bool(ids), queue is not None, everything)) != 1:
        raise UserError("give ids, --queue NAME, or --all")
    return ids or [letter.id for letter in list_dead_letters(engine, queue=queue)]


@app.command()
def trace(
    kind: Annotated[Traceable, typer.Argument(help="what to trace")],
    id_: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID, help="its id")],
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    as_parquet: AsParquet = False,
) -> None:
    """Show which killmail caused which fetch, when, by which runs, and with which outcome.

    --json prints one object, --csv and --parquet the fetches.
    """
    from killreport_assets.store.trace import TracedCause, trace_entity, trace_killmail

    output = chosen_format(as_json=as_json, as_csv=as_csv, as_parquet=as_parquet)
    with database_of(current_settings()) as engine, engine.connect() as connection:
        found: object
        if kind is Traceable.killmail:
            found = trace_killmail(connection, id_)
            head = f"killmail {id_} of {found.killmail_time:%F %T}, from {found.source}, stored {found.stored_at:%F %T}"
        else:
            found = trace_entity(connection, kind.value, id_)
            known = f"known since {found.known_since:%F %T}" if found.known_since else "not known yet"
            gone = f", gone since {found.gone_at:%F %T}" if found.gone_at else ""
            pending = f", pending since {found.pending_since:%F %T}" if found.pending_since else ""
            head = (
                f"{kind.value} {id_} {found.name or '?'}: {known}{gone}{pending}; caused by {found.caused_by} killmails"
            )
    if output is OutputFormat.json:
        print_json(asdict(found))
    elif output is OutputFormat.table:
        wide.print(escape(head))
        wide.print(_causes(found.causes))
    else:
        print_records(TracedCause, found.causes, output)


def _causes(causes: "list[TracedCause]") -> Table:
    table = Table(box=None, header_style="bold")
    for header in (
        "entity",
        "name",
        "killmail",
        "roles",
        "outcome",
        "requested",
        "done",
        "attempts",
        "queue",
        "published by",
        "fetched by",
    ):
        table.add_column(header, overflow="fold")
    for cause in causes:
        table.add_row(
            f"{cause.kind} {cause.entity_id}",
            escape(cause.name or "?"),
            str(cause.killmail_id),
            ", ".join(cause.roles),
            cause.outcome,
            f"{cause.requested_at:%F %T}" if cause.requested_at else "",
            f"{cause.enriched_at:%T}" if cause.enriched_at else "",
            str(cause.attempts or ""),
            cause.queue or "",
            (cause.publishing_run or "")[:8],
            (cause.consuming_run or "")[:8],
        )
    return table

"""`killreport run`: prepare the main job, show its progress, and print a summary."""

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import psutil
import sqlalchemy as sa
from rich.markup import escape
from rich.table import Table
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import Stopped, request_stop
from killreport_assets.cli.common import current_settings, use_sandbox
from killreport_assets.cli.output import out
from killreport_assets.cli.run_progress import DBT, RunProgress
from killreport_assets.monitoring.summary import Spending, Summary, spending, summarize
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions

    from killreport_assets.orchestration.main_job import MainJobReport, Plan, Step
    from killreport_assets.queues.broker import WorkBroker

MART_ROWS = 5
STOP_SECONDS = 10.0
"""How long a stopped run waits for its workers to finish what they hold."""
HOME_MIB = 400
LIVE_MARKET_DAYS = 40
"""Days of market history before the requested archives: a price needs the latest 34 averages."""


@dataclass(frozen=True)
class LiveOptions:
    """What a run against the configured services loads."""

    from_sequence: int | None
    days: int
    character_ids: list[int]


def run_main_job(live: LiveOptions | None) -> bool:
    """Run the main job on the sandbox, or with `live` on the configured services; True when nothing was left behind.

    Raises:
        UserError: a setting is wrong, a server does not start, or the database is of the other origin.
    """
    clock = time.monotonic()
    out.file = sys.stdout  # the main job hides what dbt prints, not what is printed here
    try:
        with ExitStack() as stack:
            settings = current_settings()
            if live is None:
                from killreport_assets.sandbox.process import SandboxProcess

                feed = settings.home / "sandbox-feed"
                settings = use_sandbox(stack.enter_context(SandboxProcess(state=feed)).urls)
            elif settings.services.origin == "live" and not settings.services.contact:
                raise UserError(
                    "a live run sends requests to real services: set KILLREPORT_CONTACT to your e-mail first"
                )
            complete = _run(settings, live)
    except Stopped as stopped:
        sys.stdout.flush()
        os._exit(stopped.exit_code)  # threads that still fetch would hold up an ordinary exit
    out.print(f"[dim]{time.monotonic() - clock:.0f} s[/]")
    return complete


def _run(settings: Settings, live: LiveOptions | None) -> bool:
    from killreport_assets.provision.database import open_database

    out.print("[bold]KillReport[/] " + ("on the sandbox" if live is None else f"on {settings.services.esi_url}"))
    out.print(f"[dim]home {escape(str(settings.home))}; about {HOME_MIB} MB are needed for the sandbox's data[/]")
    engine = open_database(settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dagster's warnings about beta features are for its developers
        before = spending(engine)
        report = _main_job(settings, engine, live)
    summary = summarize(engine)
    _print_summary(summary, spending(engine).since(before))
    _print_mart(engine)
    for left in report.left_behind:
        out.print(f"[bold red]left behind:[/] {escape(left)}")
    _print_next(live is None)
    return not report.left_behind


def _main_job(settings: Settings, engine: Engine, live: LiveOptions | None) -> "MainJobReport":
    with out.status("starting Dagster") as status:
        from killreport_assets.orchestration.instance import enter_dagster_environment

        enter_dagster_environment(settings)
        for name in ("dagster", "dagster.builtin", "dagster.code_server"):
            logging.getLogger(name).setLevel(logging.ERROR)
        import dagster as dg

        from killreport_assets.orchestration.build import build_defs
        from killreport_assets.orchestration.main_job import MainJob, tables_built
        from killreport_assets.queues.connect import connect_broker

        broker = connect_broker(settings, engine)
        try:
            with dg.DagsterInstance.get() as instance:
                waiting = partial(_messages_waiting, broker)
                with RunProgress(status, engine, waiting, partial(tables_built, instance)) as progress:
                    job = MainJob(
                        engine,
                        broker,
                        instance,
                        build_defs(settings),
                        _transforms,
                        progress.start,
                        _show_step,
                        settings.database.reconnect_seconds,
                    )
                    plan = _sandbox_plan() if live is None else _live_plan(live)
                    return _until_stopped(partial(job.run, plan), engine, instance, progress)
        finally:
            broker.close()


def _until_stopped(
    work: "Callable[[], MainJobReport]", engine: Engine, instance: "DagsterInstance", progress: RunProgress
) -> "MainJobReport":
    """Run the main job in a thread of its own, while the main thread waits for Ctrl-C and SIGTERM.

    In the main thread, Dagster would delay Ctrl-C until a step ends. When stopped, workers finish what they hold; what
    takes longer ends with the process, as after a kill: every write is idempotent.
    """
    done: Future[MainJobReport] = Future()
    threading.Thread(target=_fulfil, args=(done, work), name="main-job", daemon=True).start()
    try:
        while not done.done():
            wait([done], timeout=0.5)
    except Stopped:
        request_stop()
        out.print("stopping …")
        with suppress(Stopped):
            wait([done], timeout=0 if progress.step == DBT else STOP_SECONDS)
        _report_stop(engine)
        if not done.done():
            _end_unfinished(engine, instance)
        raise
    return done.result()


def _fulfil(done: "Future[MainJobReport]", work: "Callable[[], MainJobReport]") -> None:
    try:
        done.set_result(work())
    except BaseException as error:
        done.set_exception(error)


def _report_stop(engine: Engine) -> None:
    with suppress(sa.exc.SQLAlchemyError):
        summary = summarize(engine)
        out.print(f"{summary.killmails:,} killmails are stored, {summary.pending:,} entities are still pending")
    out.print("`killreport run` goes on from here")


def _end_unfinished(engine: Engine, instance: "DagsterInstance") -> None:
    """End what the thread has started: Dagster's runs count as canceled, dbt and its queries end."""
    from killreport_assets.orchestration.main_job import cancel_runs

    with suppress(Exception):  # the database may be what is lost
        cancel_runs(instance, str(os.getpid()))
    children = psutil.Process().children(recursive=True)
    for child in children:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    with suppress(sa.exc.SQLAlchemyError), engine.begin() as connection:
        connection.execute(
            sa.text(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where application_name = 'dbt' and datname = current_database()"
            )
        )


def _transforms() -> "Definitions":
    from killreport_assets.transforms.definitions import defs

    return defs


def _messages_waiting(broker: "WorkBroker") -> int:
    return sum(broker.depth(queue.name).ready for queue in WORK_QUEUES) + sum(broker.delayed().values())


def _show_step(step: "Step") -> None:
    mark = "[red]✗[/]" if step.error else "[green]✓[/]"
    out.print(f" {mark} {step.name:<28} {step.seconds:5.1f} s  [dim]{escape(_facts(step))}[/]")


def _sandbox_plan() -> "Plan":
    from killreport_assets.orchestration.main_job import Plan
    from killreport_assets.sandbox.world import BODIES_CHARACTER, FIRST_SEQUENCE, IDS_CHARACTER

    return Plan(FIRST_SEQUENCE, 0, [BODIES_CHARACTER, IDS_CHARACTER])


def _live_plan(live: LiveOptions) -> "Plan":
    from killreport_assets.orchestration.main_job import Plan

    return Plan(live.from_sequence, live.days or None, live.character_ids, LIVE_MARKET_DAYS + live.days)


def _facts(step: "Step") -> str:
    from killreport_assets.orchestration.metadata import SUMMARY_FACTS

    if step.error:
        return step.error
    return ", ".join(f"{name} {step.metadata[name]}" for name in SUMMARY_FACTS if step.metadata.get(name))


def _print_summary(summary: Summary, spent: Spending) -> None:
    table = Table(show_header=False, box=None, padding=(0, 2))
    sources = ", ".join(f"{source} {count:,}" for source, count in summary.killmails_by_source.items())
    table.add_row("killmails", f"{summary.killmails:,}", sources)
    table.add_row("attackers", f"{summary.attackers:,}")
    table.add_row("items", f"{summary.items:,}", f"{summary.nested_items:,} of them nested")
    table.add_row("rejected", f"{summary.rejected:,}")
    for count in summary.entities:
        gone = f", {count.gone:,} gone" if count.gone else ""
        table.add_row(f"{count.kind}s", f"{count.filled:,}", f"of {count.requested:,} requested{gone}")
    asked = ", ".join(f"{service} {count:,}" for service, count in sorted(spent.requests.items())) or "none"
    table.add_row("requests", "", f"{asked}; {spent.tokens:,} ESI tokens")
    table.add_row("dead letters", f"{summary.dead_letters:,}")
    out.print()
    out.print(table)


def _print_mart(engine: Engine) -> None:
    query = sa.text(
        "select killmail_date, entity_name as corporation_name, kills, losses, isk_destroyed, isk_lost "
        "from marts.mart_corporation_daily "
        f"order by kills desc, killmail_date, corporation_id limit {MART_ROWS}"
    )
    try:
        with engine.connect() as connection:
            result = connection.execute(query)
            table = Table(*result.keys(), title="marts.mart_corporation_daily", title_justify="left", box=None)
            for row in result:
                table.add_row(*(escape(str(value)) for value in row))
    except sa.exc.ProgrammingError:
        return  # dbt has not built it; the list of what was left behind says so
    out.print()
    out.print(table)


def _print_next(is_sandbox: bool) -> None:
    out.print()
    if is_sandbox:
        out.print("Next: [bold]killreport dev[/] serves the Dagster UI over these runs, with a feed that grows.")
        out.print('      [bold]killreport sql "select * from marts.fct_killmails limit 5"[/] queries the tables.')
        out.print(
            "      [bold]KILLREPORT_HOME=.killreport-live KILLREPORT_CONTACT=you@example.com "
            "killreport run --source live[/] loads real killmails."
        )

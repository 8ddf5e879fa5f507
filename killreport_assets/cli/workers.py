"""`killreport work`: workers in the foreground, outside Dagster, for systemd, supervisor and containers."""

import signal
from collections import Counter
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from killreport_assets.base.stopping import Stopped, is_stopping, request_stop
from killreport_assets.cli.common import broker_of, database_of, service_settings
from killreport_assets.cli.options import Sandbox
from killreport_assets.cli.output import wide as out
from killreport_assets.settings import Settings

if TYPE_CHECKING:
    from killreport_assets.queues.catalogue import WorkQueue
    from killreport_assets.workers.report import WorkerReport

app = typer.Typer()
MAX_INSTANCES = 64
FINISH_SECONDS = 120.0
"""How long workers may take to finish what they hold; what takes longer is delivered again."""


@app.command()
def work(
    queue: Annotated[str, typer.Argument(help="a queue as `status` shows it, or alliances, characters, …")],
    instances: Annotated[int, typer.Option("--instances", "-i", min=1, max=MAX_INSTANCES, help="processes")] = 1,
    forever: Annotated[bool, typer.Option("--forever", help="go on when the queue is empty, until stopped")] = False,
    sandbox: Sandbox = False,
) -> None:
    """Handle a queue's messages in the foreground, without Dagster, as its workers do in Dagster's runs.

    Ctrl-C or SIGTERM: finishes what it holds, and takes nothing more; a second one ends it at once, and what it held is
    delivered again. Workers on several machines share one database, one budget, and one broker.
    """
    from killreport_assets.workers.foreground import queue_of

    settings = service_settings(sandbox=sandbox)
    chosen = queue_of(queue)
    if instances == 1:
        _work(settings, chosen, is_endless=forever)
    else:
        _supervise(chosen, instances, is_endless=forever)


def _work(settings: Settings, queue: "WorkQueue", *, is_endless: bool) -> None:
    from killreport_assets.workers.foreground import work_in_foreground

    stopped_by = _finish_on_signals()
    with database_of(settings, asks_services=True, begins=True) as engine, broker_of(settings, engine) as broker:
        outcomes = work_in_foreground(settings, engine, broker, queue, is_endless=is_endless, settled=_show)
    out.print(f"{queue.name}: {_said(outcomes)}")
    if is_stopping():
        raise Stopped(stopped_by[-1])


def _show(report: "WorkerReport") -> None:
    said = _said(Counter(report.outcomes))
    out.print(f"{datetime.now(UTC):%F %T} {said}", *(f"[red]{escape(error)}[/]" for error in report.errors[:1]))


def _said(outcomes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items())) or "nothing to do"


def _finish_on_signals() -> list[int]:
    """Let the first signal ask for an end, and the second one force it; returns the signals as they come."""
    came: list[int] = []

    def ask(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise Stopped(number)
        request_stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    return came


def _supervise(queue: "WorkQueue", instances: int, *, is_endless: bool) -> None:
    """Run as many processes of this command; the variables of a sandbox are in the environment by now."""
    from killreport_assets.orchestration.supervisor import Program, Supervisor

    arguments = ("work", queue.name, *(["--forever"] if is_endless else []))
    programs = [
        Program(f"worker {number}", "killreport_assets.cli", arguments, may_end=not is_endless)
        for number in range(1, instances + 1)
    ]
    with Supervisor(lambda line: out.print(escape(line)), lambda _: None, FINISH_SECONDS) as supervisor:
        supervisor.start(programs)
        supervisor.watch(until=lambda: not is_endless and supervisor.have_all_ended())

"""Workers of characters against the sandbox with a fixed latency: what is allowed, and how much of it they use.

The references are what the original KillReport's workers did in July 2026: 47 a second each at 50 ms, 24 at 200 ms,
171 to 174 without a limit; they knew nothing of each other.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from sqlalchemy.engine import Engine

from benchmarks.result import Result
from killreport_assets.esi.client import EsiClient
from killreport_assets.models.ids import EntityKind
from killreport_assets.provision.database import open_database
from killreport_assets.queues.broker import WorkerLimits
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.queues.connect import connect_broker
from killreport_assets.sandbox.generated import FIRST_CHARACTER
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets.settings import load_settings
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

WARM_UP, MEASURED = 3.0, 12.0
UNLIMITED = 5_000


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Each line is a database of its own."""
    sandbox = Sandbox(stack.enter_context(SandboxProcess()))
    for workers, latency, fetches, wanted, reference in (
        (1, 0.05, 10, 48, 47),
        (2, 0.05, 10, 48, 47),
        (4, 0.05, 10, 48, 47),
        (1, 0.2, 25, 45, 24),
    ):
        rate, most = _rate(databases, sandbox, workers, latency, fetches, 50)
        name = f"{workers} worker{'s' if workers > 1 else ''}, 50/s allowed, {latency * 1000:.0f} ms latency"
        yield Result(
            name,
            rate,
            "entities/s",
            f"the original's {reference}",
            rate / reference,
            f"at least {wanted}, never above 50 (the most was {most})",
            rate >= wanted and most <= 50,
        )
    for workers in (1, 2, 4):
        rate, _ = _rate(databases, sandbox, workers, 0.05, 50, UNLIMITED)
        aim = "at least 500 with as many as it takes" if workers > 1 else ""
        name = f"{workers} worker{'s' if workers > 1 else ''}, unlimited"
        yield Result(name, rate, "entities/s", "the original's 174", rate / 174, aim, rate >= 500)


def _rate(
    databases: Databases, sandbox: Sandbox, workers: int, latency: float, fetches: int, max_rps: int
) -> tuple[float, int]:
    """Entities a second, sustained, and the most requests of any second that the sandbox saw."""
    sandbox.reset()
    sandbox.faults(latency=latency)
    with databases.fresh() as engine:
        environment = sandbox.urls | {
            "KILLREPORT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
            "KILLREPORT_ESI_MAX_RPS": str(max_rps),
            "KILLREPORT_PARALLEL_FETCHES": f"{CHARACTERS.name}={fetches}",
        }
        _publish(engine, environment)
        command = [sys.executable, "-m", "benchmarks.workers"]
        processes = [subprocess.Popen(command, env=os.environ | environment) for _ in range(workers)]
        try:
            wait_until(lambda: sandbox.statistics()["requests"].get("esi", 0) >= 50 * workers)
            time.sleep(WARM_UP)
            first, started = sandbox.statistics()["answers"]["esi 200"], time.monotonic()
            time.sleep(MEASURED)
            last, ended = sandbox.statistics()["answers"]["esi 200"], time.monotonic()
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait()
    return (last - first) / (ended - started), sandbox.statistics()["most_in_a_second"]["esi"]


def _publish(engine: Engine, environment: dict[str, str]) -> None:
    settings = load_settings(database_url=environment["KILLREPORT_DATABASE_URL"])
    broker = connect_broker(settings, engine)
    publish_ids(broker, CHARACTERS, range(FIRST_CHARACTER, FIRST_CHARACTER + 30_000))
    broker.close()


def _work() -> None:
    """One worker, until it is ended."""
    settings = load_settings()
    engine = open_database(settings)
    broker, esi = connect_broker(settings, engine), EsiClient(settings, engine)
    fetches = settings.queues.parallel_fetches[CHARACTERS.name]
    limits = WorkerLimits(messages=10**6, seconds=600, batch_size=max(50, 2 * fetches))
    run_worker(EntityHandler(EntityKind.CHARACTER, esi, 7), broker, engine, limits, parallel_fetches=fetches)


if __name__ == "__main__":
    _work()

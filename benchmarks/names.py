"""Names in bulk: how soon 20,000 unknown entities are named, beside fetching their bodies one by one."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

from benchmarks.result import Result
from killreport_assets.esi.client import EsiClient
from killreport_assets.sandbox.generated import FIRST_CHARACTER
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets.settings import load_settings
from killreport_assets.store.lineage import request
from killreport_assets.workers.names import resolve_names
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.sandbox import Sandbox

ENTITIES = 20_000
WANTED_SECONDS = 10.0


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """At ESI's pace and 50 ms latency."""
    sandbox = Sandbox(stack.enter_context(SandboxProcess()))
    sandbox.faults(latency=0.05)
    engine = stack.enter_context(databases.fresh())
    urls = {name.removeprefix("KILLREPORT_").lower(): url for name, url in sandbox.urls.items()}
    esi = EsiClient(load_settings(**urls), engine)
    with engine.begin() as connection:
        request(connection, "character", range(FIRST_CHARACTER, FIRST_CHARACTER + ENTITIES))
    started = time.monotonic()
    report = resolve_names(engine, esi)
    seconds = time.monotonic() - started
    esi.close()
    assert report.named == ENTITIES
    yield Result(
        "names of 20,000 unknown entities, 50 ms",
        seconds,
        "s",
        "their bodies at 50/s",
        seconds / (ENTITIES / 50),
        f"at most {WANTED_SECONDS:.0f} s",
        seconds <= WANTED_SECONDS,
    )

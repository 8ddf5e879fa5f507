"""The budget between real processes: the sandbox counts what arrives."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.settings import Settings
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.scripted import Answer, scripted_service
from killreport_assets_testing.waiting import wait_until

MAX_RPS, PROCESSES = 50, 4
PAUSE_SECONDS = 4
CHARACTER = {
    "name": "x",
    "birthday": "2009-05-06T00:00:00Z",
    "gender": "male",
    "race_id": 1,
    "bloodline_id": 2,
    "corporation_id": 98_000_001,
    "achievement_score": 7,
}
ASK = """
import itertools, sys, threading, time
from sqlalchemy.engine import make_url
from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Throttled
from killreport_assets.sandbox.generated import FIRST_CHARACTER
from killreport_assets.settings import load_settings
from killreport_assets.database.engine import make_engine

settings = load_settings()
client = EsiClient(settings, make_engine(make_url(settings.database.database_url.get_secret_value())))
ids = itertools.count(FIRST_CHARACTER + 1_000 * int(sys.argv[1]))

def ask():
    while True:
        try:
            client.fetch(routes.CHARACTER, models.Character, next(ids))
        except Throttled:
            time.sleep(0.05)

for _ in range(6):
    threading.Thread(target=ask, daemon=True).start()
threading.Event().wait()
"""


@contextmanager
def _asking(environment: dict[str, str]) -> Iterator[None]:
    processes = [
        subprocess.Popen([sys.executable, "-c", ASK, str(number)], env=os.environ | environment)
        for number in range(PROCESSES)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_four_processes_send_no_more_than_is_allowed(settings: Settings, sandbox: Sandbox) -> None:
    sandbox.faults(latency=0.05)
    with _asking({"KILLREPORT_ESI_MAX_RPS": str(MAX_RPS)}):
        wait_until(lambda: sandbox.statistics()["requests"].get("esi", 0) >= 9 * MAX_RPS)
    statistics = sandbox.statistics()
    # What was granted may arrive late, where a process waits for a busy machine: one request for each at most. That no
    # more is granted is shown in simulated time, to the request.
    assert statistics["most_in_a_second"]["esi"] <= MAX_RPS + PROCESSES
    assert statistics["violations"] == {}


def test_after_a_420_no_process_sends_once_the_pause_is_recorded(settings: Settings, engine: Engine) -> None:
    def recorded_until() -> float | None:
        query = "select extract(epoch from paused_until)::float8 from ops.request_pace where service = 'esi'"
        with engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar()

    with scripted_service() as service:
        service.other = Answer(CHARACTER, headers={"ETag": '"1"'})
        with _asking({"KILLREPORT_ESI_URL": service.url, "KILLREPORT_ESI_MAX_RPS": str(MAX_RPS)}):
            wait_until(lambda: len(service.arrivals) >= 3 * MAX_RPS)
            reset = {"X-ESI-Error-Limit-Remain": "0", "X-ESI-Error-Limit-Reset": str(PAUSE_SECONDS)}
            service.other = Answer({}, 420, reset)
            wait_until(recorded_until)
            time.sleep(PAUSE_SECONDS / 2)
            until = recorded_until()
    assert until is not None
    recorded = until - PAUSE_SECONDS
    # A request may be on its way while the pause is recorded: one for each process at most.
    late = [at - recorded for at in service.arrivals if recorded < at < until]
    assert len(late) <= PROCESSES, late

"""The budget between real processes: the sandbox counts what arrives."""

import os
import subprocess
import sys
import time

from killreport_assets.settings import Settings
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

MAX_RPS, PROCESSES, MEASURED = 50, 4, 6.0
ASK = """
import itertools, sys, threading
from sqlalchemy.engine import make_url
from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.sandbox.generated import FIRST_CHARACTER
from killreport_assets.settings import load_settings
from killreport_assets.database.engine import make_engine

settings = load_settings()
client = EsiClient(settings, make_engine(make_url(settings.database.database_url.get_secret_value())))
ids = itertools.count(FIRST_CHARACTER + 1_000 * int(sys.argv[1]))

def ask():
    while True:
        client.fetch(routes.CHARACTER, models.Character, next(ids))

for _ in range(6):
    threading.Thread(target=ask, daemon=True).start()
threading.Event().wait()
"""


def test_four_processes_use_what_is_allowed_and_not_more(settings: Settings, sandbox: Sandbox) -> None:
    sandbox.faults(latency=0.05)
    environment = os.environ | {"KILLREPORT_ESI_MAX_RPS": str(MAX_RPS)}
    processes = [
        subprocess.Popen([sys.executable, "-c", ASK, str(number)], env=environment) for number in range(PROCESSES)
    ]
    try:
        wait_until(lambda: sandbox.statistics()["requests"].get("esi", 0) >= 3 * MAX_RPS)
        before, started = sandbox.statistics()["requests"]["esi"], time.monotonic()
        time.sleep(MEASURED)
        after, ended = sandbox.statistics()["requests"]["esi"], time.monotonic()
    finally:
        for process in processes:
            process.kill()
            process.wait()
    statistics = sandbox.statistics()
    assert statistics["most_in_a_second"]["esi"] <= MAX_RPS
    assert statistics["violations"] == {}
    assert (after - before) / (ended - started) >= 0.9 * MAX_RPS

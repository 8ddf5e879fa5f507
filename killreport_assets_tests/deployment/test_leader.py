"""Several daemons over one database: one leads, another takes over, and no tick is done twice."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa

from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock
from killreport_assets.monitoring.liveness import problem_of
from killreport_assets.orchestration.instance import dagster_environment
from killreport_assets.settings import load_settings
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until

START_SECONDS = 180.0
SENSOR = """
import os, time
import dagster as dg

@dg.op
def nothing(): ...

@dg.job
def job(): nothing()

@dg.sensor(job=job, minimum_interval_seconds=1, default_status=dg.DefaultSensorStatus.RUNNING)
def ticking(context):
    with open(os.environ["TICKS"], "a") as ticks:
        ticks.write(f"{os.getppid()} {time.time()}\\n")
    yield dg.SkipReason("counted")

defs = dg.Definitions(jobs=[job], sensors=[ticking])
"""


@dataclass
class Daemons:
    """Daemons over one database, and what their sensor has written."""

    ticks: Path
    command: list[str]
    environment: Mapping[str, str]
    processes: list[subprocess.Popen[str]]

    def start(self) -> subprocess.Popen[str]:
        """Start one more."""
        process = subprocess.Popen(self.command, env=dict(self.environment), start_new_session=True, text=True)
        self.processes.append(process)
        return process

    def has_another_leader(self, leader: int) -> bool:
        """Whether another daemon has ticked last."""
        return self.leaders()[-1] != leader

    def leaders(self) -> list[int]:
        """The daemons that ticked, by process id, in the order of their ticks."""
        lines = self.ticks.read_text().splitlines() if self.ticks.exists() else []
        return [int(line.split()[0]) for line in lines]


@contextmanager
def _daemons(platform: Platform, databases: Databases, folder: Path, *, is_guarded: bool) -> Iterator[Daemons]:
    (folder / "ticking.py").write_text(SENSOR)
    workspace = folder / "workspace.yaml"
    workspace.write_text(f"load_from: [{{python_file: {{relative_path: {folder / 'ticking.py'}}}}}]\n")
    with databases.named() as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(name).replace("+psycopg", ""))
        environment = os.environ | dagster_environment(load_settings()) | {"TICKS": str(folder / "ticks")}
        environment["KILLREPORT_DAGSTER_DATABASE_URL"] = databases.url(name).replace("+psycopg", "")
        guarded = ["-m", "killreport_assets_testing.daemon", str(workspace)]
        plain = ["-m", "dagster._daemon", "run", "--workspace", str(workspace), "--log-level", "warning"]
        command = [sys.executable, *(guarded if is_guarded else plain)]
        subprocess.run(
            [sys.executable, "-c", "import dagster as dg; dg.DagsterInstance.get().get_runs_count()"],
            env=dict(environment),
            check=True,
        )
        daemons = Daemons(folder / "ticks", command, environment, [])
        try:
            yield daemons
        finally:
            for process in daemons.processes:
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        psutil.wait_procs(children, timeout=60)  # code servers end when their daemon is gone


def _changes(leaders: list[int]) -> int:
    """How often another daemon ticked than the one before."""
    return sum(first != second for first, second in pairwise(leaders))


def test_one_leads_and_when_it_is_killed_another_takes_over(
    platform: Platform, databases: Databases, tmp_path: Path
) -> None:
    with _daemons(platform, databases, tmp_path, is_guarded=True) as daemons:
        for _ in range(3):
            daemons.start()
        wait_until(lambda: len(daemons.leaders()) > 4, START_SECONDS)
        assert len(set(daemons.leaders())) == 1
        assert problem_of("daemon", load_settings(), None) is None
        for _ in range(2):
            leader = daemons.leaders()[-1]
            os.kill(leader, signal.SIGKILL)
            killed_at = time.monotonic()
            wait_until(partial(daemons.has_another_leader, leader), START_SECONDS)
            assert time.monotonic() - killed_at < 30 or os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
            daemons.start()
        leaders = daemons.leaders()
        assert (len(set(leaders)), _changes(leaders)) == (3, 2)


def test_without_the_lock_two_daemons_tick_at_once(platform: Platform, databases: Databases, tmp_path: Path) -> None:
    with _daemons(platform, databases, tmp_path, is_guarded=False) as daemons:
        daemons.start()
        wait_until(daemons.leaders, START_SECONDS)
        for _ in range(2):
            time.sleep(1.7)  # each looks every 5 s: those that look at the same moment do not meet
            daemons.start()
        wait_until(lambda: _changes(daemons.leaders()) > 2, START_SECONDS)


def test_a_leader_whose_session_ends_ends_too(platform: Platform, databases: Databases, tmp_path: Path) -> None:
    with _daemons(platform, databases, tmp_path, is_guarded=True) as daemons:
        process = daemons.start()
        wait_until(daemons.leaders, START_SECONDS)
        url = load_settings().database.dagster_database_url
        assert url is not None
        engine = make_engine(sa.make_url(url.get_secret_value()).set(drivername="postgresql+psycopg"))
        with engine.connect() as connection:
            connection.execute(
                sa.text("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and objid = :key"),
                {"key": int(Lock.DAEMON) & 0xFFFFFFFF},
            )
        engine.dispose()
        wait_until(lambda: process.poll() is not None)
        assert process.returncode == 3

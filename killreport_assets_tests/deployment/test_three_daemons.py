"""Three daemons under a live feed, the leader killed every twenty seconds: everything happens once.

`TRIAL_SECONDS=300 make test-deploy` goes on for five minutes.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.network import free_port
from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock
from killreport_assets.orchestration.instance import dagster_environment
from killreport_assets.orchestration.workspace import write_workspace
from killreport_assets.sandbox.generated import FIRST_GENERATED_ID
from killreport_assets.sandbox.world import FIRST_SEQUENCE, World
from killreport_assets.settings import load_settings
from killreport_assets.store.stored_killmails import known_killmails
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

TRIAL_SECONDS = float(os.environ.get("TRIAL_SECONDS", "100"))
KILL_SECONDS, DAEMONS = 20.0, 3
PATIENCE = 300.0
LEADER = """
    select application_name from pg_locks join pg_stat_activity using (pid)
    where locktype = 'advisory' and objid = :key and granted
"""
FEED_RUNS = """
    select r.run_id, r.start_time, r.end_time, r.status, tick.value, retry.value as retry
    from runs r join run_tags f on f.run_id = r.run_id and f.key = 'killreport/trigger' and f.value = 'feed'
    left join run_tags tick on tick.run_id = r.run_id and tick.key = 'dagster/tick'
    left join run_tags retry on retry.run_id = r.run_id and retry.key = 'dagster/retry_number'
    order by r.start_time
"""


class Trial:
    """A code server, three daemons, and who leads them."""

    def __init__(self, folder: Path, dagster: Engine) -> None:
        self.dagster = dagster
        port = free_port()
        self._workspace = folder / "workspace.yaml"
        write_workspace(self._workspace, {"platform": {"host": "127.0.0.1", "port": port}})
        self._environment = os.environ | dagster_environment(load_settings())
        server = ["-m", "dagster", "api", "grpc", "-m", "killreport_assets.definitions", "--host", "127.0.0.1"]
        self._processes = [self._start([*server, "--port", str(port), "--location-name", "platform"])]
        for _ in range(DAEMONS):
            self.add_daemon()

    def add_daemon(self) -> None:
        """Start one more, which stands by."""
        self._processes.append(self._start(["-m", "killreport_assets_testing.daemon", str(self._workspace)]))

    def leader(self) -> int | None:
        """The process that leads; None while none does."""
        with self.dagster.connect() as connection:
            name = connection.execute(sa.text(LEADER), {"key": int(Lock.DAEMON) & 0xFFFFFFFF}).scalar()
        found = re.search(r"process (\d+)", name or "")
        return int(found[1]) if found else None

    def end(self) -> None:
        """End what was started, and the runs that it has started."""
        running = [process for process in self._processes if process.poll() is None]
        children = [child for process in running for child in psutil.Process(process.pid).children(recursive=True)]
        for process in running:
            process.kill()
            process.wait()
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=60)

    def _start(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, *arguments], env=self._environment)


@pytest.fixture
def trial(platform: Platform, databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    """The platform's own definitions, with a feed that is looked at every ten seconds."""
    with databases.named() as name:
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(name).replace("+psycopg", ""))
        monkeypatch.setenv("KILLREPORT_FEED_INTERVAL", "10")
        engine = make_engine(sa.make_url(databases.url(name)))
        made = Trial(tmp_path, engine)
        try:
            yield made
        finally:
            made.end()
            engine.dispose()


def test_leaders_that_are_killed_leave_nothing_undone_and_nothing_done_twice(
    trial: Trial, platform: Platform, sandbox: Sandbox
) -> None:
    wait_until(lambda: _follows_the_feed(platform.engine), PATIENCE)
    leaders: list[int] = []
    until = time.monotonic() + TRIAL_SECONDS
    first = head = sandbox.release(1)
    while time.monotonic() < until:
        killed_at = time.monotonic()
        while time.monotonic() < killed_at + KILL_SECONDS:
            head = sandbox.release(1)
            time.sleep(1)
        wait_until(lambda: trial.leader() is not None, PATIENCE)
        leader = trial.leader()
        if leader is not None:
            leaders.append(leader)
            os.kill(leader, signal.SIGKILL)
            trial.add_daemon()
    assert len(set(leaders)) == len(leaders) > TRIAL_SECONDS / KILL_SECONDS / 2
    to_id = FIRST_GENERATED_ID - FIRST_SEQUENCE - len(World().part("r2z2"))
    entries = range(first + to_id, head + to_id + 1)
    assert len(entries) > TRIAL_SECONDS / 2
    wait_until(lambda: len(_stored(platform.engine, entries)) == len(entries), PATIENCE)
    assert sandbox.statistics()["violations"] == {}
    with trial.dagster.connect() as connection:
        runs = connection.execute(sa.text(FEED_RUNS)).all()
    # A crashed run is started again once, with the tags of the first: that is no second tick.
    ticks = [run.value for run in runs if run.value is not None and run.retry is None]
    assert len(runs) > len(leaders) / 2
    assert len(set(ticks)) == len(ticks)
    for one, next_one in pairwise([run for run in runs if run.start_time is not None]):
        assert one.end_time is not None
        assert one.end_time <= next_one.start_time


def _follows_the_feed(engine: Engine) -> bool:
    with engine.connect() as connection:
        return connection.execute(sa.text("select 1 from ops.feed_cursors")).scalar() is not None


def _stored(engine: Engine, killmail_ids: Sequence[int]) -> set[int]:
    with engine.connect() as connection:
        return known_killmails(connection, killmail_ids)

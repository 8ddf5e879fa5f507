"""Dagster's runs on two machines, from RabbitMQ by Celery: spread, and started again when their machine is gone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.database.engine import make_engine
from killreport_assets.orchestration.instance import dagster_environment
from killreport_assets.settings import load_settings
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.rabbitmq import RabbitNode
from killreport_assets_testing.waiting import wait_until

PATIENCE = 400.0
"""A machine that is gone is noticed in two minutes; then its run starts again."""
KILLREPORT = str(Path(sys.executable).with_name("killreport"))
JOBS = """
import os, time
import dagster as dg

@dg.op
def waiting(context):
    with open(os.environ["STARTS"], "a") as starts:
        starts.write(f"{context.run_id} {os.environ.get('MACHINE')}\\n")
    while not os.path.exists(os.environ["RELEASE"]):
        time.sleep(0.1)

@dg.job
def job(): waiting()

defs = dg.Definitions(jobs=[job])
"""
RUNS = """
    select runs.run_id, runs.status, parent.value as retried
    from runs left join run_tags parent on parent.run_id = runs.run_id and parent.key = 'dagster/parent_run_id'
    where runs.pipeline_name in ('job', 'scan_killmail_entities')
"""


class Machines:
    """A daemon, and run workers that have homes of their own, as on machines of their own."""

    def __init__(self, folder: Path, dagster: Engine, environment: Mapping[str, str]) -> None:
        self._folder, self._dagster, self._environment = folder, dagster, environment
        self.starts, self.release = folder / "starts", folder / "release"
        (folder / "jobs.py").write_text(JOBS)
        self.workspace = folder / "workspace.yaml"
        self.workspace.write_text(
            "load_from:\n"
            f"  - python_file: {{relative_path: {folder / 'jobs.py'}}}\n"
            "  - python_module: {module_name: killreport_assets.definitions, location_name: platform}\n"
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, command: list[str], home: str) -> subprocess.Popen[bytes]:
        """Start a process of this machine."""
        environment = dict(self._environment) | {"KILLREPORT_HOME": str(self._folder / home), "MACHINE": home}
        environment |= {"STARTS": str(self.starts), "RELEASE": str(self.release)}
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        self._processes.append(process)
        return process

    def launch(self, job: str, *location: str) -> None:
        """Queue a run."""
        command = [KILLREPORT, "dagster", "job", "launch", "-w", str(self.workspace), "-j", job, *location]
        assert self.start(command, "operator").wait(PATIENCE) == 0

    def launched(self) -> list[sa.Row[tuple[str, str, str | None]]]:
        """The runs that were launched here: their id, status, and the run that they repeat."""
        with self._dagster.connect() as connection:
            return list(connection.execute(sa.text(RUNS)))

    def started(self) -> dict[str, str]:
        """The machine of each run that has begun."""
        started = {}
        for line in self.starts.read_text().splitlines() if self.starts.exists() else []:
            run, machine = line.split()
            started[run] = machine
        return started

    @staticmethod
    def unplug(process: subprocess.Popen[bytes]) -> None:
        """End a process and all that it has started at once, without a word."""
        if process.poll() is None:
            children = psutil.Process(process.pid).children(recursive=True)
            for group in {process.pid, *(os.getpgid(child.pid) for child in children if child.is_running())}:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            psutil.wait_procs(children, timeout=60)
        process.wait()

    def end(self) -> None:
        """End everything."""
        for process in self._processes:
            self.unplug(process)


@pytest.fixture
def machines(
    platform: Platform,
    rabbit_node: RabbitNode,
    databases: Databases,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Machines]:
    with databases.named() as name:
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(name).replace("+psycopg", ""))
        monkeypatch.setenv("KILLREPORT_AMQP_URL", rabbit_node.url)
        monkeypatch.setenv("KILLREPORT_RUN_LAUNCHER", "celery")
        engine = make_engine(sa.make_url(databases.url(name)))
        made = Machines(tmp_path, engine, os.environ | dagster_environment(load_settings()))
        try:
            yield made
        finally:
            made.end()
            engine.dispose()


def test_runs_are_spread_and_those_of_a_machine_that_is_gone_start_again(machines: Machines) -> None:
    first = machines.start([KILLREPORT, "run-worker", "--concurrency", "1"], "first")
    machines.start([KILLREPORT, "run-worker", "--concurrency", "1"], "second")
    machines.start([sys.executable, "-m", "killreport_assets_testing.daemon", str(machines.workspace)], "daemon")
    for _ in range(3):
        machines.launch("job", "--location", "jobs.py")
    wait_until(lambda: len(machines.started()) == 2, PATIENCE)
    assert sorted(machines.started().values()) == ["first", "second"]
    lost = next(run for run, machine in machines.started().items() if machine == "first")
    machines.unplug(first)
    wait_until(lambda: lost in {run.retried for run in machines.launched()}, PATIENCE)
    machines.release.touch()
    machines.launch("scan_killmail_entities", "--location", "platform")
    wait_until(lambda: all(run.status in {"SUCCESS", "FAILURE"} for run in machines.launched()), PATIENCE)
    ended = {run.run_id: run.status for run in machines.launched()}
    assert ended.pop(lost) == "FAILURE"
    assert list(ended.values()) == ["SUCCESS"] * 4  # two others, the lost one again, the platform's own
    assert {machine for run, machine in machines.started().items() if run != lost} == {"second"}

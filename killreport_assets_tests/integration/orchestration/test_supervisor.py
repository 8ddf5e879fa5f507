"""Keeping programs running, with small real ones."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.orchestration import supervisor as module
from killreport_assets.orchestration.supervisor import MAX_DEATHS, Program, StateFile, Supervisor
from killreport_assets_testing.waiting import wait_until

SLEEPER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.{}); time.sleep(600)"])
time.sleep(600)
"""
"""A program with a process of its own, which obeys SIGTERM or not."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of modules that can be run, and short pauses."""
    (tmp_path / "sleeper.py").write_text(SLEEPER.format("SIG_DFL"))
    (tmp_path / "stubborn.py").write_text(SLEEPER.format("SIG_IGN"))
    (tmp_path / "broken.py").write_text("raise SystemExit(7)")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setattr(module, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(module, "STOP_SECONDS", 1.0)
    return tmp_path


def _alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_program_that_dies_is_started_again_and_all_end_together(folder: Path) -> None:
    said: list[str] = []
    ids: list[dict[str, int]] = []
    with Supervisor(said.append, ids.append) as supervisor:
        supervisor.start([Program("first", "stubborn"), Program("second", "stubborn")])
        wait_until(lambda: len(psutil.Process(ids[0]["first"]).children()) == 1)
        left = psutil.Process(ids[0]["first"]).children()[0].pid
        os.kill(ids[0]["first"], signal.SIGKILL)
        supervisor.watch(until=lambda: len(ids) == 2)
        assert ids[0]["second"] == ids[1]["second"]
        assert ids[0]["first"] != ids[1]["first"]
        assert _alive(ids[1]["first"])
    assert said == ["first ended by SIGKILL; it starts again in 0.05 s"]
    wait_until(lambda: not any(map(_alive, [left, *ids[1].values()])))


def test_a_program_that_dies_again_and_again_ends_the_watch_with_the_reason(folder: Path) -> None:
    said: list[str] = []
    reason = f"broken ended with exit code 7, {MAX_DEATHS} times in a row"
    with pytest.raises(UserError, match=reason), Supervisor(said.append, lambda _: None) as supervisor:
        supervisor.start([Program("broken", "broken")])
        supervisor.watch()
    assert [line.split()[-2] for line in said] == ["0.05", "0.1", "0.2"]


def test_a_program_that_has_run_for_a_while_has_all_its_tries_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEADY_SECONDS", 0.0)
    said: list[str] = []
    with Supervisor(said.append, lambda _: None) as supervisor:
        supervisor.start([Program("broken", "broken")])
        supervisor.watch(until=lambda: len(said) > MAX_DEATHS)
    assert {line.split()[-2] for line in said} == {"0.05"}


def test_programs_end_when_their_parent_is_killed(folder: Path) -> None:
    code = """
import json
from killreport_assets.orchestration.supervisor import Program, Supervisor
supervisor = Supervisor(print, lambda ids: print(json.dumps(ids), flush=True))
supervisor.start([Program("sleeper", "sleeper")])
supervisor.watch()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    sleeper = psutil.Process(json.loads(parent.stdout.readline())["sleeper"])
    wait_until(lambda: len(sleeper.children()) == 1)
    members = [sleeper.pid, sleeper.children()[0].pid]
    parent.kill()
    parent.wait()
    wait_until(lambda: not any(map(_alive, members)))


def test_the_state_file_is_private_whole_and_removed(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "dev.json", 3000)
    for processes in ({"daemon": 1}, {"daemon": 2, "webserver": 3}):
        state.write(processes)
        written = json.loads(state.path.read_text())
        assert (written["pid"], written["port"], written["processes"]) == (os.getpid(), 3000, processes)
    assert time.time() - 60 < state.path.stat().st_mtime
    assert stat.S_IMODE(state.path.stat().st_mode) == 0o600
    state.remove()
    assert list(tmp_path.iterdir()) == []

"""Keeping programs running: starts them, starts again those that end, ends them all.

Which programs these are is in processes.py. A program's processes are a group, which ends with this process even when
it is killed (base/child.py).
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import psutil

from killreport_assets.base.child import command
from killreport_assets.base.errors import KeepsEnding
from killreport_assets.base.files import replace_file

CHECK_SECONDS = 0.2
STOP_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 1.0
STEADY_SECONDS = 60.0
MAX_DEATHS = 4


@dataclass(frozen=True)
class Program:
    """A Python module that runs until it is ended."""

    name: str
    module: str
    arguments: tuple[str, ...] = ()
    may_end: bool = False
    """Whether an end with exit code 0 is one: then it is not started again."""


@dataclass
class _Running:
    """A program, its process, and how often it has ended within a minute of its start."""

    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    deaths: int = 0
    restart_at: float | None = None
    has_ended: bool = False


@dataclass
class Supervisor:
    """Runs programs until its block ends; `say` prints one line, `changed` takes the process ids by name."""

    say: Callable[[str], None]
    changed: Callable[[dict[str, int]], None]
    stop_seconds: float | None = None
    """How long programs may take to end, before they are killed; None: as long as Dagster's."""
    _batches: list[list[_Running]] = field(default_factory=list)
    _groups: set[int] = field(default_factory=set)

    def start(self, programs: Iterable[Program]) -> None:
        """Start programs; `watch` starts them again, and they end before those that were started earlier."""
        self._batches.append([])
        for program in programs:
            self._batches[-1].append(_Running(program, self._open(program), time.monotonic()))
        self._report()

    def watch(self, until: Callable[[], bool] = lambda: False) -> None:
        """Start again what ends, after a pause that doubles, until the condition is true.

        Raises:
            KeepsEnding: a program has ended several times in a row, each time within a minute of its start.
        """
        while not until():
            for running in self._running():
                self._check(running)
            time.sleep(CHECK_SECONDS)

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_: object) -> None:
        """End every program with all its processes; those that use others were started after them and end first."""
        for batch in reversed(self._batches):
            _end_groups({running.process.pid for running in batch}, self.stop_seconds or STOP_SECONDS)
        _end_groups(self._groups, STOP_SECONDS)  # what programs that died have left
        for running in self._running():
            running.process.wait()

    def have_all_ended(self) -> bool:
        """Whether every program has ended that may."""
        return all(running.has_ended for running in self._running())

    def _running(self) -> list[_Running]:
        return list(chain.from_iterable(self._batches))

    def _check(self, running: _Running) -> None:
        now = time.monotonic()
        if running.program.may_end and running.process.poll() == 0:
            running.has_ended = True
            return
        if running.restart_at is not None and now >= running.restart_at:
            running.process, running.started_at, running.restart_at = self._open(running.program), now, None
            self._report()
        elif running.restart_at is None and running.process.poll() is not None:
            running.deaths = running.deaths + 1 if now - running.started_at < STEADY_SECONDS else 1
            ending = f"{running.program.name} ended {_reason(running.process.returncode)}"
            if running.deaths == MAX_DEATHS:
                raise KeepsEnding(f"{ending}, {MAX_DEATHS} times in a row: see its last lines above")
            pause = FIRST_PAUSE_SECONDS * 2 ** (running.deaths - 1)
            running.restart_at = now + pause
            self.say(f"{ending}; it starts again in {pause:g} s")

    def _open(self, program: Program) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command(program.module, *program.arguments), start_new_session=True)
        self._groups.add(process.pid)
        return process

    def _report(self) -> None:
        self.changed({running.program.name: running.process.pid for running in self._running()})


@dataclass(frozen=True)
class StateFile:
    """HOME/dev.json: this process, its port and its programs' process ids, for `killreport status`."""

    path: Path
    port: int
    started_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    def write(self, processes: dict[str, int]) -> None:
        """Replace the file, readable by its owner only."""
        state = {"pid": os.getpid(), "started_at": self.started_at, "port": self.port, "processes": processes}
        replace_file(self.path, json.dumps(state) + "\n", mode=0o600)

    def remove(self) -> None:
        """Remove it, after a clean stop."""
        self.path.unlink(missing_ok=True)


def _end_groups(groups: set[int], seconds: float) -> None:
    """End the processes of groups, by force if need be: a code server that waits for a lost run waits forever."""
    members = [process for process in psutil.process_iter() if _group_of(process) in groups]
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(members, timeout=seconds)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def _reason(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"

"""Simulated time over a real PostgreSQL: any number of processes whose clocks, and PostgreSQL's, are the simulation's.

Each simulated thread is a real one, but only one runs at a time: a thread that sleeps hands over to the next. So a
quarter of an hour takes seconds, and a run is a function of its rng.
"""

import heapq
import itertools
import random
import threading
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.http.rate_limit import Clock

EPOCH = 1_800_000_000.0
SHORTEST = 1e-4
"""Time passes for a thread that asks in a loop, as it does outside."""


class Killed(BaseException):
    """The simulated process was killed: none of its code runs any longer."""


class Simulation:
    """Simulated time, from 0 on, in seconds."""

    def __init__(self, engine: Engine, seed: int, lateness: float = 0.0) -> None:
        self.now = 0.0
        self.rng = random.Random(seed)
        self._lateness = lateness
        self._wakes: list[tuple[float, int, threading.Event]] = []
        self._order = itertools.count()
        self._yielded = threading.Event()
        self._is_over = False
        self._errors: list[BaseException] = []
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.exec_driver_sql("set synchronous_commit = off")
        self._connection.exec_driver_sql("create unlogged table if not exists simulated_clock (at timestamptz)")
        self._connection.exec_driver_sql("truncate simulated_clock")
        self._connection.execute(sa.text("insert into simulated_clock select to_timestamp(:at)"), {"at": EPOCH})

    @property
    def clock(self) -> Clock:
        """The clock of a budget."""
        return Clock(lambda: self.now, self.sleep, "(select at from simulated_clock)")

    def sleep(self, seconds: float) -> None:
        """Let others run; wakes at its time, or up to `lateness` later."""
        late = self.rng.random() * self._lateness if seconds > 0 else 0.0
        self._sleep_until(self.now + max(SHORTEST, seconds) + late)

    def sleep_until(self, posix: float) -> None:
        """Sleep until a moment of PostgreSQL's clock."""
        self.sleep(posix - EPOCH - self.now)

    def start(self, target: Callable[[], None]) -> None:
        """Start a simulated thread now."""
        woken = threading.Event()
        heapq.heappush(self._wakes, (self.now, next(self._order), woken))

        def run() -> None:
            woken.wait()
            try:
                if not self._is_over:
                    target()
            except Killed:
                pass
            except BaseException as error:
                self._errors.append(error)
            self._yielded.set()

        threading.Thread(target=run, daemon=True).start()

    def run(self, seconds: float) -> None:
        """Let so much time pass, then end every thread."""
        while self._wakes and not self._errors:
            at, _, woken = heapq.heappop(self._wakes)
            self._is_over = self._is_over or at > seconds
            if not self._is_over and at > self.now:
                self.now = at
                self._connection.execute(
                    sa.text("update simulated_clock set at = to_timestamp(:at)"), {"at": EPOCH + at}
                )
            self._yielded.clear()
            woken.set()
            self._yielded.wait()
        self._connection.close()
        if self._errors:
            raise self._errors[0]

    def _sleep_until(self, at: float) -> None:
        if self._is_over:
            raise Killed
        woken = threading.Event()
        heapq.heappush(self._wakes, (at, next(self._order), woken))
        self._yielded.set()
        woken.wait()
        if self._is_over:
            raise Killed

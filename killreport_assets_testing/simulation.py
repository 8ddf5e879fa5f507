"""Simulated time over a real PostgreSQL: any number of processes whose clocks, and PostgreSQL's, are the simulation's.

Each simulated thread is a real one, but only one runs at a time: a thread that sleeps hands over to the next. So a
quarter of an hour takes seconds, and a run is a function of its rng.
"""

import heapq
import itertools
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.http.clock_jumps import Clock
from killreport_assets.http.errors import Throttled
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.token_bucket import TokenBucket

ROUNDING = 1e-5
"""PostgreSQL keeps microseconds."""
EPOCH = 1_800_000_000.0
SHORTEST = 1e-4
"""Time passes for a thread that asks in a loop, as it does outside."""


class Killed(BaseException):
    """The simulated process was killed: none of its code runs any longer."""


class Simulation:
    """Simulated time, from 0 on, in seconds."""

    def __init__(self, engine: Engine, seed: int, lateness: float = 0.0) -> None:
        self.now, self._epoch = 0.0, EPOCH
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
        return Clock(lambda: self.now, self.sleep, "(select at from simulated_clock)", "simulated")

    def sleep(self, seconds: float) -> None:
        """Let others run; wakes at its time, or up to `lateness` later."""
        late = self.rng.random() * self._lateness if seconds > 0 else 0.0
        self._sleep_until(self.now + max(SHORTEST, seconds) + late)

    def sleep_until(self, posix: float) -> None:
        """Sleep until a moment of PostgreSQL's clock."""
        self.sleep(posix - self._epoch - self.now)

    def jump_at(self, at: float, seconds: float) -> None:
        """Sleep until then, and let PostgreSQL's clock jump; the processes' clocks do not."""
        self.sleep(at - self.now)
        self._epoch += seconds
        self._show_time()

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
                self._show_time()
            self._yielded.clear()
            woken.set()
            self._yielded.wait()
        self._connection.close()
        if self._errors:
            raise self._errors[0]

    def _show_time(self) -> None:
        statement = sa.text("update simulated_clock set at = to_timestamp(:at)")
        self._connection.execute(statement, {"at": self._epoch + self.now})

    def _sleep_until(self, at: float) -> None:
        if self._is_over:
            raise Killed
        woken = threading.Event()
        heapq.heappush(self._wakes, (at, next(self._order), woken))
        self._yielded.set()
        woken.wait()
        if self._is_over:
            raise Killed


@dataclass
class Server:
    """What a service sees: when requests arrive, and what it charges for them when it answers."""

    arrivals: list[float] = field(default_factory=list)
    charges: list[tuple[float, int]] = field(default_factory=list)

    def most_in(self, window: float) -> int:
        """The most requests of any window."""
        return max((self._count(i, window) for i in range(len(self.arrivals))), default=0)

    def _count(self, first: int, window: float) -> int:
        end = self.arrivals[first] + window - ROUNDING
        return sum(1 for at in self.arrivals[first : first + 10_000] if at < end)

    def most_charged_in(self, window: float) -> int:
        """The most tokens of any window."""
        most = total = oldest = 0
        for at, tokens in self.charges:
            total += tokens
            while self.charges[oldest][0] <= at - window + ROUNDING:
                total -= self.charges[oldest][1]
                oldest += 1
            most = max(most, total)
        return most

    def charged_between(self, begin: float, end: float) -> int:
        """Tokens charged in this time."""
        return sum(tokens for at, tokens in self.charges if begin <= at < end)


@dataclass
class World:
    """Processes that ask one server as fast as they may."""

    simulation: Simulation
    engine: Engine
    max_rps: int
    bucket: TokenBucket | None = None
    status: Callable[[], int] = lambda: 200
    latency: float = 0.05
    server: Server = field(default_factory=Server)

    def process(self, threads: int, *, lives: float | None = None, dies: float | None = None) -> None:
        """Start a process now; after `lives` seconds it is killed and another one started in its place.

        With `dies` it is killed then, and none is started.
        """
        dies_at = dies if lives is None else self.simulation.now + lives
        budget = RequestBudget(self.engine, "esi", self.max_rps, clock=self.simulation.clock)
        for _ in range(threads):
            self.simulation.start(lambda: self._work(budget, dies_at))
        if lives is not None:
            self.simulation.start(lambda: self._restart(threads, lives))

    def _restart(self, threads: int, lives: float) -> None:
        self.simulation.sleep(lives)
        self.process(threads, lives=lives)

    def _work(self, budget: RequestBudget, dies_at: float | None) -> None:
        simulation = self.simulation
        while True:
            try:
                permit = budget.acquire(self.bucket)
            except Throttled as throttled:
                simulation.sleep_until(throttled.until.timestamp())
                continue
            if dies_at is not None and simulation.now >= dies_at:
                raise Killed
            status = self.status()
            self.server.arrivals.append(simulation.now)
            simulation.sleep(self.latency)
            if self.bucket is not None:
                self.server.charges.append((simulation.now, self.bucket.cost_of(status)))
            if dies_at is not None and simulation.now >= dies_at:
                raise Killed
            budget.settle(permit, status)

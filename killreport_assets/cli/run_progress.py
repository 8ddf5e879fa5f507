"""The line under the steps of `killreport run`: what is being done, how much of it is left, and how fast it goes."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

import sqlalchemy as sa
from rich.status import Status
from sqlalchemy.engine import Engine

from killreport_assets.queues.catalogue import WORK_QUEUES

TICK_SECONDS = 1.0
DBT = "dbt"


class RunProgress:
    """Updates a status line about once a second until the block ends."""

    def __init__(
        self, status: Status, engine: Engine, waiting: Callable[[], int], built: Callable[[], tuple[int, int]]
    ) -> None:
        """`waiting` counts the messages of all queues, `built` the tables that dbt has built, and all of them."""
        self._status, self._engine, self._waiting, self._built = status, engine, waiting, built
        self.step = "starting Dagster"
        self._started = time.monotonic()
        self._first: tuple[float, int] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def start(self, step: str) -> None:
        """A step begins."""
        self.step, self._started, self._first = step, time.monotonic(), None
        self._status.update(step)

    def __enter__(self) -> "RunProgress":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(TICK_SECONDS)

    def _run(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            with suppress(Exception):  # a server that is lost is reported by the step itself
                self._status.update(self.line())

    def line(self) -> str:
        """The step with its counts, rate and seconds."""
        seconds = time.monotonic() - self._started
        return f"{self.step}: {self._counts()}{seconds:.0f} s"

    def _counts(self) -> str:
        if self.step in {queue.name for queue in WORK_QUEUES}:
            waiting = self._waiting()
            return f"{waiting:,} messages wait, {self._pace(waiting)}"
        if self.step == DBT:
            built, planned = self._built()
            return f"{built:,} of {planned:,} tables built, {self._pace(planned - built)}"
        with self._engine.connect() as connection:
            stored = connection.execute(sa.text("select count(*) from raw.killmails")).scalar_one()
        return f"{stored:,} killmails stored, "

    def _pace(self, left: int) -> str:
        """How fast it has become less since the step began, and for how long that will go on."""
        now = time.monotonic()
        at, before = self._first = self._first or (now, left)
        rate = (before - left) / (now - at) if now > at else 0.0
        if rate <= 0:
            return ""
        return f"{rate:.1f}/s, about {left / rate:,.0f} s left, " if left else f"{rate:.1f}/s, "

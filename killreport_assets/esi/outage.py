"""Distinguish an outage of ESI from a single failed request: only the latter counts as an attempt of a message."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from killreport_assets.http.errors import Throttled
from killreport_assets.settings import DailyWindow

FAILURES_IN_A_ROW = 10
"""After this many failures, ESI's status is requested."""


class Outage:
    """ESI's availability as this process sees it; thread-safe."""

    def __init__(
        self,
        downtime: DailyWindow | None,
        pause_seconds: float,
        is_up: Callable[[], bool],
        pause: Callable[[float, str], datetime],
    ) -> None:
        self._downtime = downtime
        self._pause_seconds = pause_seconds
        self._is_up, self._pause = is_up, pause
        self._lock = threading.Lock()
        # A process may start in the middle of an outage, so its first failure already requests the status.
        self._failures = FAILURES_IN_A_ROW - 1
        self._until: tuple[float, Throttled] | None = None

    def answered(self) -> None:
        """Record an answer below 500."""
        self._failures = 0

    def failed(self) -> None:
        """Record a 5xx or a request without an answer.

        Raises:
            Throttled: ESI is in its daily downtime, or down; requests are paused.
        """
        with self._lock:
            if self._until is not None and time.monotonic() < self._until[0]:
                raise self._until[1]
            self._failures += 1
            if self._downtime is not None and (left := self._downtime.seconds_left(datetime.now(UTC).time())):
                raise self._paused(left, "ESI's daily downtime")
            if self._failures < FAILURES_IN_A_ROW:
                return
            if self._is_up():
                self._failures = 0
                return
            self._failures = FAILURES_IN_A_ROW - 1  # the first failure after the pause requests the status again
            raise self._paused(self._pause_seconds, "ESI does not answer")

    def _paused(self, seconds: float, reason: str) -> Throttled:
        throttled = Throttled(reason, self._pause(seconds, reason))
        self._until = time.monotonic() + seconds, throttled
        return throttled

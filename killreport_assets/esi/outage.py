"""Telling a service that is down from a request that fails: only the latter costs a message an attempt."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from killreport_assets.http.errors import Throttled
from killreport_assets.settings import DailyWindow

FAILURES_IN_A_ROW = 10
"""After so many the service is asked whether it is there at all."""


class Outage:
    """What this process knows of ESI's health; threads share one object."""

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
        # The first failure of a process is looked into: it may have been started in the middle of an outage.
        self._failures = FAILURES_IN_A_ROW - 1
        self._until: tuple[float, Throttled] | None = None

    def answered(self) -> None:
        """The service gave an answer of its own."""
        self._failures = 0

    def failed(self) -> None:
        """A request got a 5xx or nothing at all.

        Raises:
            Throttled: the service is in its daily downtime, or down; no request is sent before then.
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
            self._failures = FAILURES_IN_A_ROW - 1  # still down after the pause: the next failure is looked into
            raise self._paused(self._pause_seconds, "ESI does not answer")

    def _paused(self, seconds: float, reason: str) -> Throttled:
        throttled = Throttled(reason, self._pause(seconds, reason))
        wait = throttled.until - datetime.now(UTC)
        self._until = time.monotonic() + max(wait, timedelta()).total_seconds(), throttled
        return throttled

"""The limits that the sandbox keeps as the real services do, and what it saw of its callers.

ESI's error limit (100 errors a minute, then 420) and token buckets (floating window, 429), for one address: ours.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import takewhile

from killreport_assets.http.token_bucket import TokenBucket

ERRORS_PER_WINDOW = 100
ERROR_WINDOW = 60.0
TICK_SECONDS = 0.01
MAX_EXCUSED_STALL = 0.25
"""Longer stalls of the sandbox hide nothing of a caller that asks too often."""


@dataclass
class ErrorLimit:
    """ESI's legacy limit: a fixed window of 60 seconds."""

    window_started: float = field(default_factory=time.monotonic)
    errors: int = 0

    def note(self, status: int) -> None:
        """Count an answer."""
        self._roll()
        if status >= 400:
            self.errors += 1

    @property
    def remain(self) -> int:
        """Errors left in this window."""
        self._roll()
        return max(0, ERRORS_PER_WINDOW - self.errors)

    @property
    def reset(self) -> int:
        """Seconds until the window ends."""
        self._roll()
        return max(1, round(self.window_started + ERROR_WINDOW - time.monotonic()))

    def _roll(self) -> None:
        if time.monotonic() - self.window_started >= ERROR_WINDOW:
            self.window_started, self.errors = time.monotonic(), 0


@dataclass
class Bucket:
    """One token bucket: tokens come back a window after they were spent."""

    rules: TokenBucket
    spent: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def used(self) -> int:
        """Tokens spent within the window."""
        begin = time.monotonic() - self.rules.window.total_seconds()
        while self.spent and self.spent[0][0] < begin:
            self.spent.popleft()
        return sum(tokens for _, tokens in self.spent)

    @property
    def remaining(self) -> int:
        """Tokens left."""
        return max(0, self.rules.max_tokens - self.used)

    @property
    def retry_after(self) -> int:
        """Seconds until the oldest tokens come back."""
        if not self.spent:
            return 1
        return max(1, round(self.spent[0][0] + self.rules.window.total_seconds() - time.monotonic()) + 1)

    def spend(self, status: int) -> None:
        """Charge an answer."""
        if tokens := self.rules.cost_of(status):
            self.spent.append((time.monotonic(), tokens))


@dataclass
class Statistics:
    """What the sandbox saw: for its tests, and for `make run`'s summary."""

    requests: Counter[str] = field(default_factory=Counter)
    """By service."""
    answers: Counter[str] = field(default_factory=Counter)
    """By service and status, `esi 200`."""
    bodies: Counter[str] = field(default_factory=Counter)
    """ESI's 200s by path: how often each record was read; and requests for tokens."""
    most_in_a_second: Counter[str] = field(default_factory=Counter)
    """Requests that certainly came within one second: the window is shorter by this process's own lateness."""
    violations: Counter[str] = field(default_factory=Counter)
    _recent: dict[str, deque[float]] = field(default_factory=dict)
    _stalls: deque[tuple[float, float]] = field(default_factory=deque)
    _ticked: float = field(init=False)
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._ticked = self.clock()

    def arrived(self, service: str) -> None:
        """Count a request where it arrives."""
        now = self.clock()
        recent = self._recent.setdefault(service, deque())
        recent.append(now)
        while recent[0] <= now - 1.0:
            recent.popleft()
        self.requests[service] += 1
        # Requests that waited for a stalled process seem to arrive all at once.
        surely_since = now - 1.0 + self._late(now)
        doubtful = sum(1 for _ in takewhile(lambda arrived: arrived <= surely_since, recent))
        self.most_in_a_second[service] = max(self.most_in_a_second[service], len(recent) - doubtful)

    def tick(self) -> None:
        """Called every `TICK_SECONDS`: how late it is, is how late this process notices a request."""
        now = self.clock()
        self._stalls.append((now, now - self._ticked - TICK_SECONDS))
        while self._stalls[0][0] < now - 1.0:
            self._stalls.popleft()
        self._ticked = now

    def _late(self, now: float) -> float:
        """The longest stall of the last second, in seconds, as far as it is excused."""
        longest = max([now - self._ticked - TICK_SECONDS, *(stall for _, stall in self._stalls), 0.0])
        return min(longest, MAX_EXCUSED_STALL)

    def reset(self) -> None:
        """Count from zero."""
        for counted in (self.requests, self.answers, self.bodies, self.most_in_a_second, self.violations):
            counted.clear()
        self._recent.clear()

    def as_json(self) -> dict[str, object]:
        """Everything, for `/sandbox/statistics`."""
        names = ("requests", "answers", "bodies", "most_in_a_second", "violations")
        return {name: dict(getattr(self, name)) for name in names}

"""Retry delays: how long a failed message waits, by attempt, with jitter."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

SPREAD = (1.0, 1.25, 1.5)
"""Each retry delay has these lengths, and a retry uses a random one: what failed together is not redelivered together.

There is a queue for each length, not a time for each message, so that no message waits behind one with a longer delay.
"""


@dataclass(frozen=True)
class RetryDelays:
    """The delays that a broker keeps, shared by all queues; `seconds` are those before the first, second, ... retry."""

    seconds: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0)
    rng: random.Random = field(default_factory=random.Random, compare=False)

    @property
    def delays(self) -> Sequence[timedelta]:
        """Every length, ascending."""
        return sorted({timedelta(seconds=second * factor) for second in self.seconds for factor in SPREAD})

    def after(self, attempts: int) -> timedelta:
        """Return how long to wait after so many failed attempts (at least one): exponentially longer, with jitter."""
        second = self.seconds[min(attempts, len(self.seconds)) - 1]
        return timedelta(seconds=second * self.rng.choice(SPREAD))

    def fitting(self, delay: timedelta) -> timedelta:
        """Return the shortest length of at least `delay`, else the longest."""
        return next((length for length in self.delays if length >= delay), self.delays[-1])

    def tier_of(self, delay: timedelta) -> float:
        """Return the retry delay, in seconds, of a length: the longest that is not longer, else the first."""
        return max((second for second in self.seconds if second <= delay.total_seconds()), default=self.seconds[0])

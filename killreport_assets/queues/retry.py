"""After how long a failed message is retried: a retry delay for each attempt, with jitter."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

SPREAD = (1.0, 1.25, 1.5)
"""Each tier is kept in these lengths, and a retry takes one by chance: what failed together does not come back at once.

A queue for each length, rather than a time for each message, so that no message waits behind one with a longer delay.
"""


@dataclass(frozen=True)
class RetryDelays:
    """The delays that a broker keeps, shared by all queues; `seconds` are those before the first, second, ... retry."""

    seconds: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0)
    rng: random.Random = field(default_factory=random.Random, compare=False)

    @property
    def delays(self) -> Sequence[timedelta]:
        """Every length that there is, ascending."""
        return sorted({timedelta(seconds=second * factor) for second in self.seconds for factor in SPREAD})

    def after(self, attempts: int) -> timedelta:
        """How long to wait after so many failed tries (at least one): exponentially longer, with jitter."""
        second = self.seconds[min(attempts, len(self.seconds)) - 1]
        return timedelta(seconds=second * self.rng.choice(SPREAD))

    def fitting(self, delay: timedelta) -> timedelta:
        """The shortest length that is as long as `delay`, else the longest."""
        return next((length for length in self.delays if length >= delay), self.delays[-1])

    def tier_of(self, delay: timedelta) -> float:
        """The tier, in seconds, that a delay belongs to: the longest that is not longer, else the first."""
        return max((second for second in self.seconds if second <= delay.total_seconds()), default=self.seconds[0])

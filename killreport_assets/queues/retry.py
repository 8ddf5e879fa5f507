"""How often and after how long a failed message is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

DELAY_TIERS = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10))
"""The delays that the brokers keep, shared by all queues, so that no message waits behind one with a longer delay."""


@dataclass(frozen=True)
class RetryPolicy:
    """At most `max_attempts` tries; the wait grows with each."""

    max_attempts: int = 5

    def is_spent(self, attempts: int) -> bool:
        """Whether `attempts` failed tries are all that there will be."""
        return attempts >= self.max_attempts

    def delay_after(self, attempts: int) -> timedelta:
        """How long to wait after so many failed tries (at least one)."""
        return DELAY_TIERS[min(attempts, len(DELAY_TIERS)) - 1]


def tier_for(delay: timedelta, tiers: Sequence[timedelta]) -> int:
    """The index of the shortest tier that is as long as `delay`, else of the longest; `tiers` are ascending."""
    return next((index for index, tier in enumerate(tiers) if tier >= delay), len(tiers) - 1)

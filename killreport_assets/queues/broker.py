"""The port: what a broker of work queues must be able to do. The adapters are rabbitmq.py and pgmq.py.

What is true of both: a published message is safe when `publish` returns; a delivery is settled exactly once by
acknowledging it, by putting it off, or by dead-lettering it, and comes again when its drain dies before; a drain gives
no healthy message back.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from killreport_assets.queues.envelope import Message
from killreport_assets.queues.retry import DelayTiers

DELIVERY_LIMIT = 10
"""A message that was handed out so often without being settled kills its drains: it is dead-lettered unread."""


@dataclass(frozen=True)
class DrainBudget:
    """When a drain stops taking messages: whichever comes first. What it has taken it still hands out."""

    messages: int = 5_000
    seconds: float = 240.0
    idle_seconds: float = 10.0
    batch_size: int = 50


@dataclass(frozen=True)
class Delivery:
    """One message in a drain's hands."""

    queue: str
    body: bytes
    message_id: str | None
    attempts: int
    """Tries that failed so far."""
    first_failed_at: datetime | None
    deliveries: int
    """Times that it was handed out before without being settled."""
    urgent: bool
    tag: Any
    """The adapter's own handle."""


@dataclass(frozen=True)
class Depth:
    """How many messages a queue has; None where the broker cannot tell."""

    ready: int
    dead: int
    in_flight: int | None
    oldest_seconds: float | None = None
    """How long the oldest ready message has waited."""


class Drain(Protocol):
    """A bounded consumer of one queue, urgent lane first."""

    @property
    def finished(self) -> bool:
        """Whether nothing more will be handed out."""

    def stop(self) -> None:
        """Take no more; what was prefetched is still handed out, so that nothing is given back."""

    def take(self, wait_seconds: float) -> list[Delivery]:
        """The next batch: as soon as one is full, else what there is after `wait_seconds`, maybe nothing."""

    def keep(self) -> None:
        """Hold on to what was taken: to be called often while work on it takes long."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Done: they will not come again."""

    def retry_later(self, deliveries: Sequence[Delivery], delay: timedelta, *, failed: bool = True) -> None:
        """Put them off by the shortest delay tier that is as long as `delay`, else by the longest.

        Counts a failed try unless `failed` is false.
        """

    def dead_letter(self, deliveries: Sequence[Delivery]) -> None:
        """Move them to the queue's dead-letter queue."""


class WorkBroker(Protocol):
    """A broker with all queues of the catalogue declared."""

    @property
    def delays(self) -> DelayTiers:
        """The delay tiers that it keeps."""

    def publish(self, queue: str, messages: Sequence[Message], *, urgent: bool = False) -> None:
        """Publish; returns when the broker has confirmed every message.

        Raises:
            BrokerUnavailable: some may not be safe; publish them again.
        """

    def drain(self, queue: str, budget: DrainBudget) -> AbstractContextManager[Drain]:
        """Start taking messages from a queue, or from its dead-letter queue by that name."""

    def depth(self, queue: str) -> Depth:
        """How many messages are in the queue, both lanes."""

    def delayed(self) -> Mapping[float, int]:
        """How many messages of all queues wait in each delay tier, by the tier's seconds."""

    def reconnect(self) -> None:
        """Drop what is broken and connect anew; drains that were open are lost, their messages come again.

        Raises:
            BrokerUnavailable: it still cannot be reached.
        """

    def close(self) -> None:
        """Let go of connections."""


def urgent_lane(queue: str) -> str:
    """The name of the lane that is drained first."""
    return f"{queue}.urgent"


def dead_letter_queue(queue: str) -> str:
    """The name of the queue's dead-letter queue."""
    return f"{queue}.dead"

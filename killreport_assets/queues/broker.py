"""The port: the interface of a broker of work queues. The adapters are rabbitmq.py and pgmq.py.

Both guarantee: a published message is safe when `publish` returns; a delivery is settled exactly once, by
acknowledging it or by retrying it later, and is redelivered when its consumer dies before that.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from killreport_assets.queues.envelope import Message
from killreport_assets.queues.retry import RetryDelays


@dataclass(frozen=True)
class WorkerLimits:
    """A consumer stops receiving at the first of these limits. What it has prefetched is still delivered."""

    messages: int = 5_000
    seconds: float = 240.0
    idle_seconds: float = 10.0
    batch_size: int = 50


@dataclass(frozen=True)
class Delivery:
    """One message that is delivered and not settled yet."""

    queue: str
    body: bytes
    message_id: str | None
    attempts: int
    """Failed attempts so far."""
    first_failed_at: datetime | None
    deliveries: int
    """How often it was delivered before without being settled: a worker died, or a server failed."""
    urgent: bool
    tag: tuple[str, int]
    """Its lane, and the broker's own number for it."""


@dataclass(frozen=True)
class Depth:
    """How many messages a queue has; None where the broker does not know."""

    ready: int
    dead: int
    in_flight: int | None
    oldest_seconds: float | None = None
    """How long the oldest ready message has waited, either lane."""
    oldest_urgent_seconds: float | None = None
    """The same of the priority lane."""
    consumers: int | None = None
    """Workers that receive from it."""


class Consumer(Protocol):
    """A bounded consumer of one queue, priority lane first."""

    @property
    def finished(self) -> bool:
        """Whether no further message will be delivered."""

    def stop(self) -> None:
        """Stop prefetching; what was prefetched is still delivered, so that nothing is returned to the queue."""

    def receive(self, wait_seconds: float) -> list[Delivery]:
        """Return the next batch: as soon as it is full, else what has arrived after `wait_seconds`, maybe nothing."""

    def extend_leases(self) -> None:
        """Keep received messages hidden from other consumers; call it often while work on them takes long."""

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Settle deliveries as done: they are not delivered again."""

    def retry_later(self, deliveries: Sequence[Delivery], delay: timedelta, *, count_attempt: bool = True) -> None:
        """Deliver them again after the shortest retry delay of at least `delay`, else after the longest.

        Counts a failed attempt unless `count_attempt` is false.
        """


class WorkBroker(Protocol):
    """A broker with all queues of the catalogue declared."""

    @property
    def delays(self) -> RetryDelays:
        """The broker's retry delays."""

    def publish(self, queue: str, messages: Sequence[Message], *, urgent: bool = False) -> None:
        """Publish messages; returns when the broker has confirmed every one.

        Raises:
            BrokerUnavailable: some messages may not be safe; publish them again.
        """

    def consume(self, queue: str, limits: WorkerLimits) -> AbstractContextManager[Consumer]:
        """Start receiving messages from a queue, or from a dead-letter queue by its name."""

    def depth(self, queue: str) -> Depth:
        """Return how many messages are in the queue, both lanes."""

    def delayed(self) -> Mapping[float, int]:
        """Return how many messages of all queues wait for each retry delay, by its seconds."""

    def reconnect(self) -> None:
        """Drop broken connections and connect again; open consumers are lost, and their messages redelivered.

        Raises:
            BrokerUnavailable: the broker is still unreachable.
        """

    def close(self) -> None:
        """Close the connections."""


def priority_lane(queue: str) -> str:
    """Return the name of the queue's priority lane, which is consumed first."""
    return f"{queue}.urgent"


def dead_letter_queue(queue: str) -> str:
    """Return the name of the queue to which the broker itself moves messages that were returned too often."""
    return f"{queue}.dead"

"""The interface of a work queue's handler: it plans, fetches and stores, and returns an outcome for each message.

Handlers do not settle: settlement.py and worker.py end pending work, complete lineage, write dead letters and
acknowledge for all of them. The handlers are in handlers/, those of users' lists in users/handlers/.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.queues.broker import Delivery
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.queues.envelope import Message
from killreport_assets.settings import Settings
from killreport_assets.sources.zkillboard import Zkillboard

Plan = TypeVar("Plan")
"""What is known about a message's subject before it is fetched."""
Result = TypeVar("Result")
"""What a fetch returned."""


class Outcome(StrEnum):
    """What became of a message."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    """What it requests is stored already, or has not changed."""
    GONE = "gone"
    """The service does not have the record, or no longer has it."""
    REJECTED = "rejected"
    """What was fetched could not be stored; it is kept with the reason."""
    SKIPPED = "skipped"
    """A list that no sign-in could read; it is requested again when it is due."""
    RETRIED = "retried"
    """Failed, and delivered again after its retry delay."""
    DEFERRED = "deferred"
    """Delivered again when the service's pause ends; no attempt is counted."""
    DEAD = "dead"
    """A dead letter: it is not tried again, and is in `ops.dead_letters`."""


@dataclass(frozen=True)
class ReceivedMessage:
    """A delivery and its decoded message."""

    delivery: Delivery
    message: Message

    @property
    def id(self) -> int:
        """The id of the message's subject."""
        return self.message.id


@dataclass
class BatchReport:
    """The result of storing one batch."""

    outcomes: list[Outcome] = field(default_factory=list)
    """One for each message of the batch, in the same order."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written, by table."""
    requested: int = 0
    """Further work that was requested: unknown corporations of an alliance, unknown killmails of a list."""
    killmail_ids: list[int] = field(default_factory=list)
    """The killmails that the batch is about."""
    sample: list[Mapping[str, object]] = field(default_factory=list)
    """A few rows for the UI."""
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerContext:
    """What handlers are built with: one for each process or run."""

    settings: Settings
    engine: Engine
    esi: EsiClient
    zkillboard: Zkillboard
    cleanup: ExitStack = field(default_factory=ExitStack)
    """Closed when the work is done: for resources that a handler opens itself."""


class Handler(ABC, Generic[Plan, Result]):
    """Does one queue's work. `plan` and `store` run on the worker's thread, `fetch` on one of its fetchers."""

    @property
    @abstractmethod
    def queue(self) -> WorkQueue:
        """The queue whose messages the handler handles."""

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, Plan | Outcome]:
        """Return what is known before fetching, by message_id; an outcome means that nothing is fetched."""
        return {}

    @abstractmethod
    def fetch(self, message: ReceivedMessage, plan: Plan | None) -> Result:
        """Request the subject from its service; the worker passes the result to `store`.

        Raises:
            ServiceError: its class decides the outcome of the message.
        """

    @abstractmethod
    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Result]], run_id: str | None
    ) -> BatchReport:
        """Write what was fetched and return an outcome for each message.

        Follow-up work is requested (`lineage.request`); the worker publishes it after the commit.
        """

    def on_dead_letter(self, connection: Connection, dead: Sequence[ReceivedMessage], run_id: str | None) -> None:
        """Record more about messages that become dead letters, in the same transaction."""
        return

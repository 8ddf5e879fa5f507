"""What a handler of a work queue is: it plans, fetches and stores, and says what became of each message.

Settling is not a handler's business: ending pending work, lineage, dead letters and acknowledgements are done for all
of them in settlement.py and worker.py. The handlers are in handlers/, and those of users in users/handlers/.
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
"""What is known of a message's subject before it is fetched."""
Result = TypeVar("Result")
"""What a fetch brought."""


class Outcome(StrEnum):
    """What became of a message."""

    STORED = "stored"
    UNCHANGED = "unchanged"
    """What it asks for is known already, or has not changed."""
    GONE = "gone"
    """The service has no such record (any more)."""
    REJECTED = "rejected"
    """What was fetched could not be stored; it is kept with its reason."""
    SKIPPED = "skipped"
    """A list that no sign-in could read; it is requested again when it is due."""
    RETRIED = "retried"
    """Failed, and delivered again after its retry delay."""
    DEFERRED = "deferred"
    """Delivered again when the service's pause ends; no attempt is counted."""
    DEAD = "dead"
    """Nothing more is tried: it is in `ops.dead_letters`."""


@dataclass(frozen=True)
class ReceivedMessage:
    """A delivery, and the message that was read from it."""

    delivery: Delivery
    message: Message

    @property
    def id(self) -> int:
        """The id of the message's subject."""
        return self.message.id


@dataclass
class BatchReport:
    """What storing one batch came to."""

    outcomes: list[Outcome] = field(default_factory=list)
    """One for each message of the batch, in its order."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written, by table."""
    requested: int = 0
    """Further work that was requested: unknown corporations of an alliance, unknown killmails of a list."""
    killmail_ids: list[int] = field(default_factory=list)
    """The killmails that the batch was about."""
    sample: list[Mapping[str, object]] = field(default_factory=list)
    """Some rows for the UI."""
    errors: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class WorkerContext:
    """What handlers are built with: one for each process or run."""

    settings: Settings
    engine: Engine
    esi: EsiClient
    zkillboard: Zkillboard
    cleanup: ExitStack = field(default_factory=ExitStack)
    """Closed when the work is done: for what a handler opens itself."""


class Handler(ABC, Generic[Plan, Result]):
    """Does one queue's work. `plan` and `store` run on the worker's thread, `fetch` on one of its fetchers."""

    @property
    @abstractmethod
    def queue(self) -> WorkQueue:
        """The queue whose messages it handles."""

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, Plan | Outcome]:
        """What is known before fetching, by message_id; an outcome means that there is nothing to fetch."""
        return {}

    @abstractmethod
    def fetch(self, message: ReceivedMessage, plan: Plan | None) -> Result:
        """Ask the service; the result goes to `store`.

        Raises:
            ServiceError: by its kind the worker decides what becomes of the message.
        """

    @abstractmethod
    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Result]], run_id: str | None
    ) -> BatchReport:
        """Write what was fetched and say what became of each message.

        Work that follows from it is requested (`lineage.request`); the worker publishes it after the commit.
        """

    def on_dead_letter(self, connection: Connection, dead: Sequence[ReceivedMessage], run_id: str | None) -> None:
        """Note what else is to be known of messages that become dead letters, in the same transaction."""
        return

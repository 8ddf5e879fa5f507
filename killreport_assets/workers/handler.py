"""What a drain must be told about a queue's work: the `Work` protocol and the words for its outcomes.

The works themselves are in killmail_work.py, entity_work.py and zkillboard_work.py and alliance_corporations_work.py.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy.engine import Connection

from killreport_assets.queues.broker import Delivery
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.queues.envelope import Message

SAMPLE_ROWS = 50


@dataclass(frozen=True)
class Task:
    """A message in a drain's hands, read."""

    delivery: Delivery
    message: Message


@dataclass(frozen=True)
class Dead:
    """A message that nothing more is tried with; `message` is None when it could not even be read."""

    delivery: Delivery
    message: Message | None
    reason: str
    error: str
    is_try: bool = True
    """Whether its last try failed; false for one that was never tried."""


@dataclass
class DrainReport:
    """What one drain did. `outcomes` counts messages; every message taken has exactly one outcome.

    Outcomes: stored, fresh (known already, nothing fetched), gone, rejected, retried, skipped (a list that
    nobody could read), parked (we are throttled), dead.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written by table."""
    published: int = 0
    """Pending entities published for the next queues."""
    requested: int = 0
    """Further work that was asked for: unknown corporations of an alliance, unknown killmails of a list."""
    failed: bool = False
    """Whether every message of some batch failed, not all of them once more: a service that refuses everything, a
    worker that is set up wrong."""
    throttled_until: datetime | None = None
    first_killmail: int | None = None
    last_killmail: int | None = None
    sample: list[dict[str, Any]] = field(default_factory=list)
    """At most `SAMPLE_ROWS` rows for the UI."""
    errors: list[str] = field(default_factory=list)
    """The first few errors, for whoever looks at the run."""

    @property
    def taken(self) -> int:
        """Messages taken from the queue."""
        return self.outcomes.total()

    def count_batch(self, *, done: int, retried: int, parked: int, dead: int, is_retry: bool) -> None:
        """Count what a batch's messages came to, those done apart: their work counts them by outcome.

        A batch of messages that had all failed before (`is_retry`) says nothing about the service or the worker.
        """
        self.outcomes += Counter(retried=retried, parked=parked, dead=dead)
        self.failed = self.failed or (retried + dead > 0 and done + parked == 0 and not is_retry)

    def saw_killmail(self, killmail_id: int | None) -> None:
        """Widen the range of killmails that this drain was about."""
        if killmail_id is not None:
            self.first_killmail = min(self.first_killmail or killmail_id, killmail_id)
            self.last_killmail = max(self.last_killmail or killmail_id, killmail_id)

    def note_error(self, error: str) -> None:
        """Keep the first few errors."""
        if len(self.errors) < 5:
            self.errors.append(error)

    def add(self, other: "DrainReport") -> None:
        """Take in what was counted apart until its transaction was committed."""
        self.outcomes += other.outcomes
        self.rows += other.rows
        self.requested += other.requested
        self.saw_killmail(other.first_killmail)
        self.saw_killmail(other.last_killmail)
        self.sample += other.sample[: SAMPLE_ROWS - len(self.sample)]
        for error in other.errors:
            self.note_error(error)


class Work(Protocol):
    """One queue's work. `plan` and `store` run on the drain's thread, `fetch` on one of its fetchers."""

    @property
    def queue(self) -> WorkQueue:
        """The queue that it is about."""

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        """What is known before fetching, by message_id; handed to `fetch`. `FRESH` means: nothing to fetch."""

    def fetch(self, task: Task, known: Any) -> Any:
        """Ask the service; the result goes to `store`.

        Raises:
            ServiceError: by its kind the drain decides what becomes of the message.
        """

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> None:
        """Write what was fetched (or `FRESH`, or `Gone`), with its lineage; count outcomes and rows.

        Work that follows from it is requested (`lineage.request`); the drain publishes it after the commit.
        """

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        """Note in the lineage that nothing more is tried with these."""


class _Fresh:
    def __repr__(self) -> str:
        return "FRESH"


FRESH = _Fresh()
"""The result of a message whose work is done already."""

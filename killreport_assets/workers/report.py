"""The report of one worker run, for the UI, the log and the tests."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from killreport_assets.workers.handler import BatchReport, Outcome

MAX_SAMPLE_ROWS = 50
MAX_ERRORS = 5


@dataclass
class WorkerReport:
    """Counts of one worker run; every message that it received has exactly one outcome."""

    outcomes: Counter[str] = field(default_factory=Counter)
    """Messages by `Outcome`."""
    rows: Counter[str] = field(default_factory=Counter)
    """Rows written, by table."""
    published: int = 0
    """Pending work that was published for the next queues."""
    requested: int = 0
    """Further work that was requested."""
    failed: bool = False
    """Whether every message of some batch failed, and not all of them had failed before: the service refuses
    everything, or the worker is misconfigured."""
    throttled_until: datetime | None = None
    first_killmail: int | None = None
    last_killmail: int | None = None
    sample: list[Mapping[str, object]] = field(default_factory=list)
    """At most `MAX_SAMPLE_ROWS` rows for the UI."""
    errors: list[str] = field(default_factory=list)
    """The first few errors."""

    @property
    def received(self) -> int:
        """Messages received from the queue."""
        return self.outcomes.total()

    def count_batch(self, outcomes: Counter[str], *, is_retry: bool) -> None:
        """Count a batch's messages.

        A batch of messages that had all failed before (`is_retry`) says nothing about the service or the worker.
        """
        self.outcomes += outcomes
        failed = outcomes[Outcome.RETRIED] + outcomes[Outcome.DEAD]
        self.failed = self.failed or (failed == outcomes.total() > 0 and not is_retry)

    def saw_killmail(self, killmail_id: int) -> None:
        """Widen the range of killmails that the run is about."""
        self.first_killmail = min(self.first_killmail or killmail_id, killmail_id)
        self.last_killmail = max(self.last_killmail or killmail_id, killmail_id)

    def note_error(self, error: str) -> None:
        """Keep the first few errors."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(error)

    def add(self, batch: BatchReport) -> None:
        """Add what was stored, once its transaction is committed."""
        self.rows += batch.rows
        self.requested += batch.requested
        for killmail_id in batch.killmail_ids:
            self.saw_killmail(killmail_id)
        self.sample += batch.sample[: MAX_SAMPLE_ROWS - len(self.sample)]
        for error in batch.errors:
            self.note_error(error)

"""The worker: receive a batch, fetch, write in one transaction, publish follow-up work, acknowledge.

A crash at any point either redelivers the message or leaves its pending work to the next scan; every write is
idempotent. The next batch is fetched while the last one is written; the order within a batch is kept.
"""

import logging
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Generic

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import writing
from killreport_assets.database.reconnect import (
    describe_connection_error,
    is_lost_connection,
    retry_on_lost_connection,
)
from killreport_assets.http.errors import Gone, InvalidHash, Refused, Throttled
from killreport_assets.queues.broker import Consumer, Delivery, WorkBroker, WorkerLimits
from killreport_assets.queues.envelope import UnreadableMessage, decode
from killreport_assets.store.lineage import lock_pending
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, Plan, ReceivedMessage, Result
from killreport_assets.workers.publisher import publish_pending
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.settlement import (
    DeadMessage,
    retry_what_the_broker_gave_up,
    settle_dead,
    settle_done,
)
from killreport_assets.workers.suspects import MAX_DEATHS, SUSPECT_AFTER, handled_alone

log = logging.getLogger(__name__)
WAIT_SECONDS = 1.0
LEASE_CHECK_SECONDS = 0.5
MAX_PUBLISHED = 5_000
"""Pending work published between two batches; more would keep this worker's own messages waiting."""
CONNECTION_LOSS_BACKOFF = 0.25
MAX_CONNECTION_LOSSES = 5
"""Connections lost in a row without a message settled in between; after more, something else is wrong."""
NOT_STORABLE = (sa.exc.DataError, sa.exc.IntegrityError)


@dataclass
class _Batch(Generic[Result]):
    fetching: list[tuple[ReceivedMessage, "Future[Result | Outcome]"]]
    dead: list[DeadMessage]
    started: float = field(default_factory=time.monotonic)

    @property
    def is_retry(self) -> bool:
        """Whether every message has failed before."""
        return bool(self.fetching) and all(received.delivery.attempts for received, _ in self.fetching)


@dataclass
class _SortedBatch(Generic[Result]):
    """A batch's messages by the result of their fetches, before they are written."""

    fetched: list[tuple[ReceivedMessage, Result]] = field(default_factory=list)
    known: list[tuple[ReceivedMessage, Outcome]] = field(default_factory=list)
    """Messages whose outcome was known without fetching."""
    dead: list[DeadMessage] = field(default_factory=list)
    retried: list[Delivery] = field(default_factory=list)
    deferred: list[Delivery] = field(default_factory=list)


def run_worker(
    handler: Handler[Plan, Result],
    broker: WorkBroker,
    engine: Engine,
    limits: WorkerLimits,
    *,
    parallel_fetches: int | None = None,
    run_id: str | None = None,
    reconnect_seconds: float = 0.0,
) -> WorkerReport:
    """Handle the messages of the handler's queue until a limit is reached; each one is settled exactly once.

    Reconnects to a lost broker or database for `reconnect_seconds`; unsettled messages are redelivered.

    Raises:
        BrokerUnavailable, sqlalchemy.exc.DBAPIError: a server is unreachable for longer than that.
        UserError: a setting is wrong, or a newer package has migrated the database; received messages are delivered
            again, without counting an attempt.
    """
    report = WorkerReport()
    worker = _Worker(handler, broker, engine, report, run_id)
    fetchers = parallel_fetches or handler.queue.parallel_fetches
    end = time.monotonic() + limits.seconds
    losses, received = 0, 0
    while True:
        left = replace(limits, messages=limits.messages - report.received, seconds=end - time.monotonic())
        if left.messages <= 0 or left.seconds <= 0 or is_stopping():
            return report
        try:
            worker.run(left, fetchers)
        except Exception as lost:
            if not is_lost_connection(lost):
                raise
            message = describe_connection_error(lost)
            log.warning("%s: %s; unsettled messages are redelivered", handler.queue.name, message)
            report.note_error(message)
            losses, received = (losses + 1, received) if report.received == received else (1, report.received)
            if losses > MAX_CONNECTION_LOSSES:
                raise
            # A server that answers may still be broken.
            time.sleep(min(CONNECTION_LOSS_BACKOFF * 2.0**losses, reconnect_seconds))
            retry_on_lost_connection(worker.reconnect, reconnect_seconds)
        else:
            return report


@contextmanager
def _fetching(fetchers: int, kind: str) -> Iterator[ThreadPoolExecutor]:
    """Fetcher threads; fetches that have not started when the block ends are cancelled."""
    pool = ThreadPoolExecutor(fetchers, f"fetch-{kind}")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Worker(Generic[Plan, Result]):
    """Runs the steps of each batch."""

    def __init__(
        self,
        handler: Handler[Plan, Result],
        broker: WorkBroker,
        engine: Engine,
        report: WorkerReport,
        run_id: str | None,
    ) -> None:
        self._handler, self._broker, self._engine = handler, broker, engine
        self._report, self._run_id = report, run_id

    def reconnect(self) -> None:
        """Connect to both servers again."""
        self._engine.dispose()
        with self._engine.connect():
            self._broker.reconnect()

    def run(self, limits: WorkerLimits, fetchers: int) -> None:
        """Handle messages until a limit is reached or a server is lost."""
        queue = self._handler.queue
        retry_what_the_broker_gave_up(queue, self._broker)
        with _fetching(fetchers, queue.kind) as pool, self._broker.consume(queue.name, limits) as consumer:
            fetched: _Batch[Result] | None = None
            fetching: _Batch[Result] | None = None
            try:
                while True:
                    if is_stopping():
                        consumer.stop()
                    deliveries = [] if consumer.finished else consumer.receive(0.0 if fetched else WAIT_SECONDS)
                    suspects = [delivery for delivery in deliveries if delivery.deliveries >= SUSPECT_AFTER]
                    if suspects:
                        if fetched is not None:
                            self._settle(consumer, fetched)
                            fetched = None
                        for delivery in suspects:
                            self._handle_alone(consumer, delivery, pool)
                        deliveries = [delivery for delivery in deliveries if delivery.deliveries < SUSPECT_AFTER]
                    fetching = self._start(deliveries, pool) if deliveries else None
                    if fetched is not None:
                        self._settle(consumer, fetched)
                    fetched, fetching = fetching, None
                    if fetched is None and consumer.finished:
                        break
            except UserError:
                # A wrong setting: received messages are delivered again without counting an attempt.
                self._return_all(consumer, [batch for batch in (fetched, fetching) if batch is not None])
                raise

    def _return_all(self, consumer: Consumer, batches: Sequence[_Batch[Result]]) -> None:
        held = [received.delivery for batch in batches for received, _ in batch.fetching]
        held += [letter.delivery for batch in batches for letter in batch.dead]
        consumer.stop()
        while prefetched := ([] if consumer.finished else consumer.receive(0.0)):
            held += prefetched
        consumer.retry_later(held, timedelta(), count_attempt=False)

    def _handle_alone(self, consumer: Consumer, delivery: Delivery, pool: ThreadPoolExecutor) -> None:
        with handled_alone(self._engine, delivery) as deaths:
            if deaths < MAX_DEATHS:
                batch = self._start([delivery], pool)
            else:
                messages, unreadable = self._read([delivery])
                error = f"{deaths} workers died while they handled this message alone"
                message = messages[0].message if messages else None
                died = DeadMessage(delivery, message, "kills its workers", error, is_attempt=False)
                batch = _Batch([], unreadable or [died])
            self._settle(consumer, batch)

    def _start(self, deliveries: Sequence[Delivery], pool: ThreadPoolExecutor) -> _Batch[Result]:
        """Decode the messages and start fetching what is not known already."""
        messages, dead = self._read(deliveries)
        with self._engine.connect() as connection:
            plans = self._handler.plan(connection, messages) if messages else {}
        fetches: dict[tuple[int, str | None], Future[Result | Outcome]] = {}
        fetching = []
        for received in messages:
            subject = (received.message.id, received.message.hash)
            if subject not in fetches:  # copies of a message are fetched once
                fetches[subject] = pool.submit(self._fetch, received, plans)
            fetching.append((received, fetches[subject]))
        return _Batch(fetching, dead)

    def _read(self, deliveries: Sequence[Delivery]) -> tuple[list[ReceivedMessage], list[DeadMessage]]:
        messages, dead = [], []
        for delivery in deliveries:
            try:
                messages.append(ReceivedMessage(delivery, decode(delivery.body, self._handler.queue.kind)))
            except UnreadableMessage as unreadable:
                dead.append(DeadMessage(delivery, None, "unreadable message", str(unreadable)))
        return messages, dead

    def _fetch(self, received: ReceivedMessage, plans: Mapping[str, Plan | Outcome]) -> Result | Outcome:
        plan = plans.get(received.message.message_id)
        if isinstance(plan, Outcome):
            return plan
        if self._report.throttled_until is not None and self._report.throttled_until > datetime.now(UTC):
            raise Throttled("the service is paused", self._report.throttled_until)
        return self._handler.fetch(received, plan)

    def _settle(self, consumer: Consumer, batch: _Batch[Result]) -> None:
        """Write a batch, publish follow-up work, and only then settle its messages with the broker."""
        unfinished = {future for _, future in batch.fetching}
        while unfinished:
            unfinished = wait(unfinished, LEASE_CHECK_SECONDS).not_done
            consumer.extend_leases()
        sorted_batch = self._sort(batch)
        outcomes = self._write(sorted_batch)
        self._report.published += publish_pending(self._engine, self._broker, run_id=self._run_id, limit=MAX_PUBLISHED)
        done = [received.delivery for received, _ in sorted_batch.fetched + sorted_batch.known]
        consumer.acknowledge(done + [letter.delivery for letter in sorted_batch.dead])
        self._retry(consumer, sorted_batch.retried)
        self._defer(consumer, sorted_batch.deferred)
        self._report.count_batch(outcomes, is_retry=batch.is_retry)
        log.info(
            "batch settled",
            extra={
                "queue": self._handler.queue.name,
                "run": self._run_id,
                **outcomes,
                "seconds": round(time.monotonic() - batch.started, 3),
            },
        )

    def _retry(self, consumer: Consumer, failed: Sequence[Delivery]) -> None:
        by_delay: dict[timedelta, list[Delivery]] = defaultdict(list)
        for delivery in failed:
            by_delay[self._broker.delays.after(delivery.attempts + 1)].append(delivery)
        for delay, deliveries in by_delay.items():
            consumer.retry_later(deliveries, delay)

    def _defer(self, consumer: Consumer, deliveries: Sequence[Delivery]) -> None:
        if deliveries and self._report.throttled_until is not None:
            consumer.stop()
            pause = max(self._report.throttled_until - datetime.now(UTC), timedelta())
            consumer.retry_later(deliveries, pause, count_attempt=False)

    def _sort(self, batch: _Batch[Result]) -> _SortedBatch[Result]:
        """Sort a batch's messages by the result of their fetches.

        Raises:
            UserError, sqlalchemy.exc.SQLAlchemyError: not caused by the message, which is delivered again.
        """
        sorted_batch: _SortedBatch[Result] = _SortedBatch(dead=list(batch.dead))
        for received, future in batch.fetching:
            error = future.exception()
            if error is None:
                result = future.result()
                if isinstance(result, Outcome):
                    sorted_batch.known.append((received, result))
                else:
                    sorted_batch.fetched.append((received, result))
            elif isinstance(error, UserError | sa.exc.SQLAlchemyError):
                raise error
            else:
                self._sort_failed(sorted_batch, received, error)
        return sorted_batch

    def _sort_failed(self, sorted_batch: _SortedBatch[Result], received: ReceivedMessage, error: BaseException) -> None:
        delivery, text = received.delivery, f"{type(error).__name__}: {error}"
        if isinstance(error, Gone):
            sorted_batch.known.append((received, Outcome.GONE))
        elif isinstance(error, Throttled):
            self._report.throttled_until = max(self._report.throttled_until or error.until, error.until)
            sorted_batch.deferred.append(delivery)
        elif isinstance(error, InvalidHash) and delivery.attempts == 0:
            sorted_batch.retried.append(delivery)  # ESI answers so to valid pairs under load (zKillboard #210)
            self._report.note_error(text)
        elif isinstance(error, Refused):
            sorted_batch.dead.append(DeadMessage(delivery, received.message, "refused", str(error)))
        elif delivery.attempts + 1 >= self._handler.queue.max_attempts:
            sorted_batch.dead.append(DeadMessage(delivery, received.message, "attempts spent", text))
        else:
            sorted_batch.retried.append(delivery)
            self._report.note_error(text)

    def _write(self, batch: _SortedBatch[Result]) -> Counter[str]:
        """Write a batch; returns the number of messages by outcome."""
        outcomes: Counter[str] = Counter()
        try:
            outcomes += self._write_together(batch.fetched, batch.known, batch.dead)
        except NOT_STORABLE:
            outcomes += self._write_one_by_one(batch)
        outcomes += Counter({Outcome.RETRIED: len(batch.retried), Outcome.DEFERRED: len(batch.deferred)})
        return outcomes

    def _write_one_by_one(self, batch: _SortedBatch[Result]) -> Counter[str]:
        """Write each message alone, so that one that cannot be stored does not affect the others."""
        outcomes: Counter[str] = Counter()
        fetched, batch.fetched = batch.fetched, []
        for received, result in fetched:
            try:
                outcomes += self._write_together([(received, result)], [], [])
                batch.fetched.append((received, result))
            except NOT_STORABLE as refused:
                reason = str(refused.orig).splitlines()[0]
                batch.dead.append(DeadMessage(received.delivery, received.message, "cannot be stored", reason))
        return outcomes + self._write_together([], batch.known, batch.dead)

    def _write_together(
        self,
        fetched: Sequence[tuple[ReceivedMessage, Result]],
        known: Sequence[tuple[ReceivedMessage, Outcome]],
        dead: Sequence[DeadMessage],
    ) -> Counter[str]:
        queue = self._handler.queue
        settled = [received.id for received, _ in (*fetched, *known)]
        settled += [letter.message.id for letter in dead if letter.message]
        batch = BatchReport()
        with writing(self._engine) as connection:
            lock_pending(connection, queue.kind, settled)
            if fetched:
                batch = self._handler.store(connection, fetched, self._run_id)
            stored = list(zip((received for received, _ in fetched), batch.outcomes, strict=True))
            settle_done(connection, queue, stored + list(known), self._run_id)
            settle_dead(connection, self._handler, dead, self._run_id)
        self._report.add(batch)
        for letter in dead:
            self._report.note_error(f"{letter.reason}: {letter.error}")
        counted = Counter(outcome.value for _, outcome in (*stored, *known))
        return counted + Counter({Outcome.DEAD.value: len(dead)})

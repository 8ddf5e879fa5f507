"""The one drain: take a batch, fetch, write in one transaction, publish what follows, acknowledge.

A crash at any point either redelivers the message or leaves its entities pending for the next scan; every write is
idempotent. The next batch is fetched while the last one is written; the order within a batch stands.
"""

import hashlib
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.text import storable
from killreport_assets.database.reconnect import is_lost_connection, patiently, say_lost
from killreport_assets.http.errors import Gone, InvalidHash, Refused, Throttled
from killreport_assets.queues.broker import (
    DELIVERY_LIMIT,
    Delivery,
    Drain,
    DrainBudget,
    WorkBroker,
    dead_letter_queue,
)
from killreport_assets.queues.envelope import UnreadableMessage, decode
from killreport_assets.store.lineage import lock_pending
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import FRESH, Dead, DrainReport, Task, Work
from killreport_assets.workers.publisher import publish_pending

log = logging.getLogger(__name__)
WAIT_SECONDS = 1.0
KEEP_SECONDS = 0.5
MOST_PUBLISHED = 5_000
"""Pending work that is published between two batches; more would keep this drain's own messages waiting."""
LOSS_SECONDS = 0.25
MOST_LOSSES = 5
"""Connections lost in a row without a single message settled in between: something else is wrong."""
DEAD_BUDGET = DrainBudget(messages=1_000, seconds=30, idle_seconds=0.2, batch_size=100)


@dataclass
class _Batch:
    fetching: list[tuple[Task, Future[Any]]]
    dead: list[Dead]
    began: float = field(default_factory=time.monotonic)


class _Outcome:
    """What became of the messages of one batch, before it is written."""

    def __init__(self) -> None:
        self.results: list[tuple[Task, Any]] = []
        self.dead: list[Dead] = []
        self.retries: list[Task] = []
        self.parked: list[Task] = []


def run_drain(
    work: Work,
    broker: WorkBroker,
    engine: Engine,
    budget: DrainBudget,
    *,
    parallel_fetches: int | None = None,
    run_id: str | None = None,
    reconnect_seconds: float = 0.0,
) -> DrainReport:
    """Drain the work's queue until the budget is spent; what was taken is settled, each message exactly once.

    A broker or database that is lost is tried again for `reconnect_seconds`; unsettled messages come again.

    Raises:
        BrokerUnavailable, sqlalchemy.exc.DBAPIError: a server is gone for longer than that.
    """
    report = DrainReport()
    runner = _Runner(work, broker, engine, report, run_id)
    fetchers = parallel_fetches or work.queue.parallel_fetches
    end = time.monotonic() + budget.seconds
    losses, taken = 0, 0
    while True:
        left = replace(budget, messages=budget.messages - report.taken, seconds=end - time.monotonic())
        if left.messages <= 0 or left.seconds <= 0:
            return report
        try:
            _drain(runner, left, fetchers)
        except Exception as lost:
            if not is_lost_connection(lost):
                raise
            log.warning("%s: %s; what is not settled comes again", work.queue.name, say_lost(lost))
            report.note_error(say_lost(lost))
            losses, taken = (losses + 1, taken) if report.taken == taken else (1, report.taken)
            if losses > MOST_LOSSES:
                raise
            time.sleep(min(LOSS_SECONDS * 2.0**losses, reconnect_seconds))  # a server that answers may be broken still
            patiently(runner.reconnect, reconnect_seconds)
        else:
            return report


def _drain(runner: "_Runner", budget: DrainBudget, fetchers: int) -> None:
    move_given_up(runner.work, runner.broker, runner.engine, runner.run_id)
    queue = runner.work.queue
    with (
        _fetching(fetchers, queue.kind) as pool,
        runner.broker.drain(queue.name, budget) as drain,
    ):
        fetched: _Batch | None = None
        fetching: _Batch | None = None
        try:
            while True:
                deliveries = [] if drain.finished else drain.take(0.0 if fetched else WAIT_SECONDS)
                fetching = runner.start(drain, deliveries, pool) if deliveries else None
                if fetched is not None:
                    runner.settle(drain, fetched)
                fetched, fetching = fetching, None
                if fetched is None and drain.finished:
                    break
        except UserError:
            # Nobody's fault but the operator's: what is held is put off, not given back, which would count against it.
            _put_off(drain, [batch for batch in (fetched, fetching) if batch is not None])
            raise


def _put_off(drain: Drain, batches: Sequence[_Batch]) -> None:
    held = [task.delivery for batch in batches for task, _ in batch.fetching]
    held += [letter.delivery for batch in batches for letter in batch.dead]
    drain.stop()
    while prefetched := ([] if drain.finished else drain.take(0.0)):
        held += prefetched
    drain.retry_later(held, timedelta(), failed=False)


@contextmanager
def _fetching(fetchers: int, kind: str) -> Iterator[ThreadPoolExecutor]:
    """Fetcher threads; after an error what has not begun is not fetched any more."""
    pool = ThreadPoolExecutor(fetchers, f"fetch-{kind}")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Runner:
    """Takes batches through their steps."""

    def __init__(self, work: Work, broker: WorkBroker, engine: Engine, report: DrainReport, run_id: str | None) -> None:
        self.work, self.broker, self.engine, self.run_id = work, broker, engine, run_id
        self._report = report

    def reconnect(self) -> None:
        """Connect anew to both servers."""
        self.engine.dispose()
        with self.engine.connect():
            self.broker.reconnect()

    def start(self, drain: Drain, deliveries: Sequence[Delivery], pool: ThreadPoolExecutor) -> _Batch:
        """Read the messages and begin to fetch what is not known already."""
        tasks, dead = self._read(drain, deliveries)
        with self.engine.connect() as connection:
            known = self.work.plan(connection, tasks) if tasks else {}
        fetches: dict[tuple[int, str | None], Future[Any]] = {}
        fetching = []
        for task in tasks:
            work = (task.message.id, task.message.hash)
            if work not in fetches:  # copies of a message are fetched once
                fetches[work] = pool.submit(self._fetch, task, known)
            fetching.append((task, fetches[work]))
        return _Batch(fetching, dead)

    def settle(self, drain: Drain, batch: _Batch) -> None:
        """Write a batch, publish what follows from it, and only then settle its messages."""
        unfinished = {future for _, future in batch.fetching}
        while unfinished:
            unfinished = wait(unfinished, KEEP_SECONDS).not_done
            drain.keep()
        outcome = self._sort(batch)
        self._write(outcome)
        self._report.published += publish_pending(self.engine, self.broker, run_id=self.run_id, most=MOST_PUBLISHED)
        done = [task.delivery for task, _ in outcome.results] + [dead.delivery for dead in outcome.dead]
        drain.acknowledge(done)
        self._retry(drain, [task.delivery for task in outcome.retries])
        if outcome.parked and self._report.throttled_until is not None:
            drain.stop()
            pause = max(self._report.throttled_until - datetime.now(UTC), timedelta())
            drain.retry_later([task.delivery for task in outcome.parked], pause, failed=False)
        is_retry = bool(batch.fetching) and all(task.delivery.attempts for task, _ in batch.fetching)
        self._report.count_batch(
            done=len(outcome.results),
            retried=len(outcome.retries),
            parked=len(outcome.parked),
            dead=len(outcome.dead),
            is_retry=is_retry,
        )
        log.info(
            "batch settled",
            extra={
                "queue": self.work.queue.name,
                "run": self.run_id,
                "done": len(outcome.results),
                "retried": len(outcome.retries),
                "parked": len(outcome.parked),
                "dead": len(outcome.dead),
                "seconds": round(time.monotonic() - batch.began, 3),
            },
        )

    def _retry(self, drain: Drain, failed: Sequence[Delivery]) -> None:
        by_delay: dict[timedelta, list[Delivery]] = defaultdict(list)
        for delivery in failed:
            by_delay[self.broker.delays.after(delivery.attempts + 1)].append(delivery)
        for delay, deliveries in by_delay.items():
            drain.retry_later(deliveries, delay)

    def _read(self, drain: Drain, deliveries: Sequence[Delivery]) -> tuple[list[Task], list[Dead]]:
        tasks, dead, given_up = [], [], []
        for delivery in deliveries:
            if delivery.deliveries >= DELIVERY_LIMIT:
                given_up.append(delivery)
                continue
            try:
                tasks.append(Task(delivery, decode(delivery.body, self.work.queue.kind)))
            except UnreadableMessage as unreadable:
                dead.append(Dead(delivery, None, "unreadable message", str(unreadable)))
        if given_up:
            drain.dead_letter(given_up)
            move_given_up(self.work, self.broker, self.engine, self.run_id)
            self._report.outcomes["dead"] += len(given_up)
        return tasks, dead

    def _fetch(self, task: Task, known: dict[str, Any]) -> Any:
        mine = known.get(task.message.message_id)
        if mine is FRESH or isinstance(mine, Gone):
            return mine
        if self._report.throttled_until is not None and self._report.throttled_until > datetime.now(UTC):
            raise Throttled("this drain was told to wait", self._report.throttled_until)
        return self.work.fetch(task, mine)

    def _sort(self, batch: _Batch) -> _Outcome:
        outcome = _Outcome()
        outcome.dead += batch.dead
        for task, future in batch.fetching:
            error = future.exception()
            if error is None:
                outcome.results.append((task, future.result()))
            elif isinstance(error, Gone):
                outcome.results.append((task, error))
            elif isinstance(error, Throttled):
                self._report.throttled_until = max(self._report.throttled_until or error.until, error.until)
                outcome.parked.append(task)
            elif isinstance(error, UserError | sa.exc.SQLAlchemyError):
                raise error  # not the message's fault: it comes again when this has been mended
            elif isinstance(error, InvalidHash) and task.delivery.attempts == 0:
                outcome.retries.append(task)  # ESI has said so of good pairs under load (zKillboard #210)
                self._report.note_error(_said(error))
            elif isinstance(error, Refused):
                outcome.dead.append(Dead(task.delivery, task.message, "refused", str(error)))
            elif task.delivery.attempts + 1 >= self.work.queue.max_attempts:
                outcome.dead.append(Dead(task.delivery, task.message, "attempts spent", _said(error)))
            else:
                outcome.retries.append(task)
                self._report.note_error(_said(error))
        return outcome

    def _write(self, outcome: _Outcome) -> None:
        try:
            self._write_together(outcome.results, outcome.dead)
        except (sa.exc.DataError, sa.exc.IntegrityError):
            self._write_one_by_one(outcome)

    def _write_one_by_one(self, outcome: _Outcome) -> None:
        """Something in the batch cannot be stored: find it, so that it costs nothing else."""
        results, outcome.results = outcome.results, []
        for task, result in results:
            try:
                self._write_together([(task, result)], [])
                outcome.results.append((task, result))
            except (sa.exc.DataError, sa.exc.IntegrityError) as refused:
                reason = str(refused.orig).splitlines()[0]
                outcome.dead.append(Dead(task.delivery, task.message, "cannot be stored", reason))
        self._write_together([], outcome.dead)

    def _write_together(self, results: list[tuple[Task, Any]], dead: list[Dead]) -> None:
        counted = DrainReport()
        settled = [task.message.id for task, _ in results] + [letter.message.id for letter in dead if letter.message]
        with self.engine.begin() as connection:
            lock_pending(connection, self.work.queue.kind, settled)
            if results:
                self.work.store(connection, results, counted, self.run_id)
            if dead:
                _write_dead_letters(connection, dead, self.run_id)
                self._bury(connection, dead)
        self._report.add(counted)
        for letter in dead:
            self._report.note_error(f"{letter.reason}: {letter.error}")

    def _bury(self, connection: Connection, dead: list[Dead]) -> None:
        if tasks := [Task(letter.delivery, letter.message) for letter in dead if letter.message]:
            self.work.bury(connection, tasks, self.run_id)


def move_given_up(work: Work, broker: WorkBroker, engine: Engine, run_id: str | None) -> int:
    """Move what the queue's dead-letter queue holds into `ops.dead_letters`; returns how many that were."""
    name = dead_letter_queue(work.queue.name)
    if broker.depth(work.queue.name).dead == 0:
        return 0
    moved = 0
    with broker.drain(name, DEAD_BUDGET) as drain:
        while deliveries := drain.take(WAIT_SECONDS):
            letters, tasks = [], []
            for delivery in deliveries:
                error = f"handed out {DELIVERY_LIMIT} times without being settled: its drains died"
                letters.append(Dead(delivery, None, "delivery limit", error, is_try=False))
                try:
                    tasks.append(Task(delivery, decode(delivery.body, work.queue.kind)))
                except UnreadableMessage:
                    log.warning("%s: an unreadable message was given up on", name)
            with engine.begin() as connection:
                _write_dead_letters(connection, letters, run_id)
                if tasks:
                    work.bury(connection, tasks, run_id)
            drain.acknowledge(deliveries)
            moved += len(deliveries)
    return moved


def _write_dead_letters(connection: Connection, dead: Sequence[Dead], run_id: str | None) -> None:
    now = datetime.now(UTC)
    insert = sa.dialects.postgresql.insert(tables.dead_letters)
    again = {name: insert.excluded[name] for name in ("reason", "error", "first_failed_at", "died_at", "run_id")}
    # The same death written twice is one; a death after a replay takes the replay back.
    insert = insert.on_conflict_do_update(index_elements=["fingerprint"], set_=again | {"replayed_at": None})
    letters = {row["fingerprint"]: row for row in (_dead_letter(letter, now, run_id) for letter in dead)}
    connection.execute(insert, [letters[fingerprint] for fingerprint in sorted(letters)])


def _dead_letter(letter: Dead, now: datetime, run_id: str | None) -> dict[str, Any]:
    delivery = letter.delivery
    identity = f"{delivery.queue}\n{delivery.attempts}\n".encode() + delivery.body
    return {
        "fingerprint": hashlib.sha256(identity).hexdigest(),
        "queue": delivery.queue,
        "message_id": delivery.message_id,
        "body": storable(delivery.body.decode(errors="backslashreplace")),
        "reason": letter.reason,
        "error": storable(letter.error)[:2_000],
        "attempts": delivery.attempts + letter.is_try,
        "first_failed_at": delivery.first_failed_at or now,
        "died_at": now,
        "run_id": run_id,
    }


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"

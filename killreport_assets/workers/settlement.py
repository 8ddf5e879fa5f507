"""Settling messages of every queue in the database: pending work, lineage and dead letters.

The worker calls this in the transaction of a batch, after the handler has stored; acknowledging follows the commit.
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.queues.broker import Delivery, WorkBroker, WorkerLimits, dead_letter_queue
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.queues.envelope import Message
from killreport_assets.store import lineage
from killreport_assets.store.lineage import EnrichmentOutcome, SettledEntity
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import Handler, Outcome, ReceivedMessage

log = logging.getLogger(__name__)
DEAD_LETTER_LIMITS = WorkerLimits(messages=1_000, seconds=30, idle_seconds=0.2, batch_size=100)
WAIT_SECONDS = 1.0
MAX_ERROR_LENGTH = 2_000


@dataclass(frozen=True)
class DeadMessage:
    """A message that becomes a dead letter; `message` is None when it could not be read."""

    delivery: Delivery
    message: Message | None
    reason: str
    error: str
    is_attempt: bool = True
    """Whether its last attempt failed; false for a message that was never tried."""


def settle_done(
    connection: Connection, queue: WorkQueue, done: Sequence[tuple[ReceivedMessage, Outcome]], run_id: str | None
) -> None:
    """End the pending work of these messages, and complete their entities' lineage."""
    if queue.kind not in tables.DIMENSIONS:
        lineage.end_pending(connection, queue.kind, [received.id for received, _ in done])
        return
    settled = [_settled(received, "gone" if outcome is Outcome.GONE else "stored") for received, outcome in done]
    lineage.settle(connection, queue.kind, queue.name, settled, run_id)


def settle_dead(
    connection: Connection, handler: Handler[Any, Any], dead: Sequence[DeadMessage], run_id: str | None
) -> None:
    """Write dead letters, and mark their pending work as dead, or end it if it will be requested again."""
    if not dead:
        return
    _write_dead_letters(connection, dead, run_id)
    readable = [ReceivedMessage(letter.delivery, letter.message) for letter in dead if letter.message]
    if not readable:
        return
    queue, ids = handler.queue, [received.id for received in readable]
    if queue.kind in tables.DIMENSIONS:
        settled = [_settled(received, "dead") for received in readable]
        lineage.settle(connection, queue.kind, queue.name, settled, run_id)
    elif queue.is_requested_again:
        lineage.end_pending(connection, queue.kind, ids)
    else:
        lineage.mark_dead(connection, queue.kind, ids)
    handler.on_dead_letter(connection, readable, run_id)


def retry_what_the_broker_gave_up(queue: WorkQueue, broker: WorkBroker) -> int:
    """Publish the messages of the broker's dead-letter queue again; returns how many.

    The broker moves a message there that was returned too often, which an outage of a server does too. The worker
    decides which message is at fault: see suspects.py.
    """
    if broker.depth(queue.name).dead == 0:
        return 0
    moved = 0
    with broker.consume(dead_letter_queue(queue.name), DEAD_LETTER_LIMITS) as consumer:
        while deliveries := consumer.receive(WAIT_SECONDS):
            consumer.retry_later(deliveries, timedelta(), count_attempt=False)
            moved += len(deliveries)
    log.warning("%s: publishing %s messages again that the broker gave up", queue.name, moved)
    return moved


def _settled(received: ReceivedMessage, outcome: EnrichmentOutcome) -> SettledEntity:
    message = received.message
    attempts = received.delivery.attempts + 1
    return SettledEntity(message.id, outcome, message.message_id, attempts, message.cause.run_id)


def _write_dead_letters(connection: Connection, dead: Sequence[DeadMessage], run_id: str | None) -> None:
    now = datetime.now(UTC)
    statement = insert(tables.dead_letters)
    updated = {name: statement.excluded[name] for name in ("reason", "error", "first_failed_at", "died_at", "run_id")}
    # A dead letter written twice is one row; a message that dies again after a replay is no longer replayed.
    statement = statement.on_conflict_do_update(
        index_elements=["fingerprint"], set_=updated | {"replayed_at": sa.null()}
    )
    letters = {str(row["fingerprint"]): row for row in (_row(letter, now, run_id) for letter in dead)}
    connection.execute(statement, [letters[fingerprint] for fingerprint in sorted(letters)])


def _row(letter: DeadMessage, now: datetime, run_id: str | None) -> dict[str, object]:
    delivery = letter.delivery
    identity = f"{delivery.queue}\n{delivery.attempts}\n".encode() + delivery.body
    return {
        "fingerprint": hashlib.sha256(identity).hexdigest(),
        "queue": delivery.queue,
        "message_id": delivery.message_id,
        "body": delivery.body.decode(errors="backslashreplace"),
        "reason": letter.reason,
        "error": letter.error[:MAX_ERROR_LENGTH],
        "attempts": delivery.attempts + letter.is_attempt,
        "first_failed_at": delivery.first_failed_at or now,
        "died_at": now,
        "run_id": run_id,
    }

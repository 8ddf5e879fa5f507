"""Dead letters: list, replay and drop them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.envelope import Message, UnreadableMessage, decode
from killreport_assets.store.lineage import revive
from killreport_assets.store.schema.tables import among, dead_letters

REPLAY_AT_ONCE = 500
_KINDS = {queue.name: queue.kind for queue in WORK_QUEUES}


@dataclass(frozen=True)
class DeadLetter:
    """One row of ops.dead_letters."""

    id: int
    queue: str
    message_id: str | None
    body: str
    reason: str
    error: str
    attempts: int
    first_failed_at: datetime
    died_at: datetime
    run_id: str | None
    replayed_at: datetime | None


@dataclass
class ReplayReport:
    """The dead letters that were replayed, and those that could not be, with the reason."""

    replayed: list[int]
    refused: dict[int, str]


def list_dead_letters(
    engine: Engine,
    *,
    queue: str | None = None,
    ids: Sequence[int] | None = None,
    replayed: bool = False,
    limit: int | None = None,
) -> list[DeadLetter]:
    """Return dead letters, latest first; `replayed` includes those that were replayed."""
    query = sa.select(dead_letters).order_by(dead_letters.c.died_at.desc(), dead_letters.c.dead_letter_id.desc())
    query = query.where(dead_letters.c.queue == queue) if queue is not None else query
    query = query.where(among(dead_letters.c.dead_letter_id, ids)) if ids is not None else query
    query = query if replayed else query.where(dead_letters.c.replayed_at.is_(None))
    with engine.connect() as connection:
        rows = connection.execute(query.limit(limit))
        return [
            DeadLetter(
                row.dead_letter_id,
                row.queue,
                row.message_id,
                row.body,
                row.reason,
                row.error,
                row.attempts,
                row.first_failed_at,
                row.died_at,
                row.run_id,
                row.replayed_at,
            )
            for row in rows
        ]


def count_dead_letters(engine: Engine) -> int:
    """Count the dead letters that were not replayed."""
    with engine.connect() as connection:
        query = sa.select(sa.func.count()).select_from(dead_letters).where(dead_letters.c.replayed_at.is_(None))
        return connection.execute(query).scalar_one()


def replay(engine: Engine, broker: WorkBroker, ids: Sequence[int], *, urgent: bool = False) -> ReplayReport:
    """Publish dead letters again, attempts counted from zero; those that were replayed already are skipped.

    They are marked and published in one transaction: if a message becomes a dead letter again meanwhile, that
    transaction waits for the mark and clears it.

    Raises:
        BrokerUnavailable: dead letters that are not marked yet are unchanged.
    """
    report = ReplayReport([], {})
    chosen = sorted(ids)
    for start in range(0, len(chosen), REPLAY_AT_ONCE):
        with engine.begin() as connection:
            rows = connection.execute(
                sa.select(dead_letters)
                .where(among(dead_letters.c.dead_letter_id, chosen[start : start + REPLAY_AT_ONCE]))
                .where(dead_letters.c.replayed_at.is_(None))
                .order_by(dead_letters.c.dead_letter_id)
                .with_for_update()
            ).all()
            messages: dict[str, list[Message]] = defaultdict(list)
            for row in rows:
                try:
                    kind = _KINDS[row.queue]
                    message = decode(row.body.encode(), kind)
                except (KeyError, UnreadableMessage) as unreadable:
                    report.refused[row.dead_letter_id] = f"cannot be replayed: {unreadable}"
                    continue
                revive(connection, kind, [message.id], is_published=True)
                messages[row.queue].append(message)
                report.replayed.append(row.dead_letter_id)
            connection.execute(
                sa.update(dead_letters)
                .where(among(dead_letters.c.dead_letter_id, report.replayed))
                .values(replayed_at=sa.func.now())
            )
            for queue, batch in messages.items():
                broker.publish(queue, batch, urgent=urgent)
    return report


def drop(engine: Engine, ids: Sequence[int]) -> int:
    """Delete dead letters; their pending work stays dead. Returns how many were deleted."""
    with engine.begin() as connection:
        return connection.execute(
            sa.delete(dead_letters).where(among(dead_letters.c.dead_letter_id, list(ids)))
        ).rowcount

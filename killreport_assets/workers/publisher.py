"""Publishing pending work, and work requested by id, to its queues."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.locks import publisher_lock
from killreport_assets.database.migrate import hold_version
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import BY_KIND, KILLMAILS, WorkQueue
from killreport_assets.queues.envelope import Cause, Message
from killreport_assets.store.lineage import PendingEntity, claim_pending, confirm_published, release_claims

log = logging.getLogger(__name__)
CLAIM_AT_ONCE = 5_000


def publish_pending(
    engine: Engine,
    broker: WorkBroker,
    *,
    run_id: str | None = None,
    limit: int | None = None,
    include_expired: bool = False,
) -> int:
    """Publish pending work that no other process has claimed, urgent first, all or `limit` messages; returns how many.

    `include_expired` also publishes work whose message counts as lost, by its age.

    The claim is committed before anything is published, so two processes never publish the same work; the claims of a
    process that dies are free at once.

    Raises:
        BrokerUnavailable: the claims are released.
        ServerRefuses: a newer package has migrated the database.
    """
    published = 0
    with publisher_lock(engine) as (connection, publisher):
        while limit is None or published < limit:
            with connection.begin():
                hold_version(connection)
                claimed = claim_pending(
                    connection, publisher, min(CLAIM_AT_ONCE, limit or CLAIM_AT_ONCE), include_expired=include_expired
                )
            if not claimed:
                return published
            _publish_claimed(engine, broker, claimed, run_id)
            published += len(claimed)
    return published


def _publish_claimed(engine: Engine, broker: WorkBroker, claimed: Sequence[PendingEntity], run_id: str | None) -> None:
    by_lane: dict[tuple[str, bool], list[PendingEntity]] = defaultdict(list)
    for entity in claimed:
        by_lane[entity.kind, entity.urgent].append(entity)
    try:
        for (kind, urgent), entities in sorted(by_lane.items(), key=lambda lane: not lane[0][1]):
            messages = [_message(entity, run_id) for entity in entities]
            broker.publish(BY_KIND[kind].name, messages, urgent=urgent)
    except BaseException:
        _settle_claims(engine, claimed, release_claims)
        raise
    _settle_claims(engine, claimed, confirm_published)


def _settle_claims(
    engine: Engine, claimed: Sequence[PendingEntity], settle: Callable[[Connection, Sequence[PendingEntity]], None]
) -> None:
    """Use one transaction per kind: a process that holds rows of one kind never waits for those of another."""
    by_kind: dict[str, list[PendingEntity]] = defaultdict(list)
    for entity in claimed:
        by_kind[entity.kind].append(entity)
    for entities in by_kind.values():
        with engine.begin() as connection:
            settle(connection, entities)


def _message(entity: PendingEntity, run_id: str | None) -> Message:
    cause = Cause(killmail_id=entity.killmail_id, run_id=run_id)
    return Message(kind=entity.kind, id=entity.entity_id, hash=entity.hash, cause=cause)


def killmail_messages(hashes: Mapping[int, str], run_id: str | None) -> list[Message]:
    """Return messages for killmails that are known by id and hash only."""
    cause = Cause(run_id=run_id)
    return [Message(kind=KILLMAILS.kind, id=id_, hash=hash_, cause=cause) for id_, hash_ in hashes.items()]


def publish_ids(
    broker: WorkBroker, queue: WorkQueue, ids: Iterable[int], *, run_id: str | None = None, urgent: bool = False
) -> int:
    """Publish work requested by id; returns how many messages were published."""
    messages = [Message(kind=queue.kind, id=id_, cause=Cause(run_id=run_id)) for id_ in ids]
    broker.publish(queue.name, messages, urgent=urgent)
    return len(messages)

"""Producers: each finds what is missing or stale and requests it of its queue. None publishes pending work twice.

The handlers' modules define what to find, and register their producers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi.client import EsiClient
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.store.lineage import request
from killreport_assets.workers.publisher import publish_pending

Find = Callable[[Engine, EsiClient, timedelta], Sequence[int]]
"""Finds the ids to request, given the age at which an entity is stale."""


@dataclass(frozen=True)
class Produced:
    """How many ids were found, how many of them were not pending already, and how many messages were published.

    The published messages include other pending work, of any kind.
    """

    found: int
    requested: int
    published: int


@dataclass(frozen=True)
class Producer:
    """One source of work for one queue."""

    name: str
    queue: WorkQueue
    description: str
    find: Find

    def produce(
        self,
        engine: Engine,
        broker: WorkBroker,
        esi: EsiClient,
        ttl: timedelta,
        *,
        ids: Sequence[int] | None = None,
        urgent: bool = False,
        run_id: str | None = None,
    ) -> Produced:
        """Request what `find` finds, or these ids, and publish it, confirmed.

        Raises:
            ServiceError: ESI did not list what there is.
            BrokerUnavailable: the work stays pending, and is published by the next run.
        """
        found = list(self.find(engine, esi, ttl)) if ids is None else list(ids)
        with writing(engine) as connection:
            requested = request(connection, self.queue.kind, found, urgent=urgent, revive_dead=ids is not None)
        return Produced(len(found), requested, publish_pending(engine, broker, run_id=run_id, include_expired=True))

"""Producers: what each finds to be missing or stale, and asks the queues for. None publishes what is queued already."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.esi import routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.queues import catalogue
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.store.alliances import (
    corporations_of_characters_and_alliances,
    open_alliances,
    reopen_alliances,
)
from killreport_assets.store.followed import characters_to_list
from killreport_assets.store.lineage import request
from killreport_assets.store.wanted import missing, stale
from killreport_assets.workers.handlers.zkillboard_lists import CACHE
from killreport_assets.workers.publisher import publish_pending


@dataclass(frozen=True)
class Produced:
    """How many were found to be wanted, how many of them were not pending already, and how many were published.

    What is published includes whatever else was pending, of any kind.
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
    find: Callable[[Engine, EsiClient, timedelta], Sequence[int]]

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
        """Ask the queue for what `find` finds, or for these ids, and publish it, confirmed.

        Raises:
            ServiceError: ESI cannot say what there is.
            BrokerUnavailable: it stays pending, and is published by whoever comes next.
        """
        found = list(self.find(engine, esi, ttl)) if ids is None else list(ids)
        with engine.begin() as connection:
            requested = request(connection, self.queue.kind, found, urgent=urgent, even_dead=ids is not None)
        return Produced(len(found), requested, publish_pending(engine, broker, run_id=run_id, lost_too=True))


def _alliances(engine: Engine, esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    listed = esi.ids(routes.ALLIANCES)
    with engine.begin() as connection:
        reopen_alliances(connection, listed)
    return _missing_and_stale(engine, "alliance", listed, ttl)


def _alliance_corporations(engine: Engine, _esi: EsiClient, _ttl: timedelta) -> Sequence[int]:
    with engine.connect() as connection:
        return open_alliances(connection)


def _corporations(engine: Engine, esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    """NPC corporations, those of alliances and characters; killmails' own are pending since they were stored."""
    npc_corporations = esi.ids(routes.NPC_CORPORATIONS)
    with engine.connect() as connection:
        named = corporations_of_characters_and_alliances(connection)
    return _missing_and_stale(engine, "corporation", npc_corporations + named, ttl)


def _characters(engine: Engine, _esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    return _missing_and_stale(engine, "character", [], ttl)


def _types(engine: Engine, _esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    return _missing_and_stale(engine, "type", [], ttl)


def _character_killmails(engine: Engine, _esi: EsiClient, _ttl: timedelta) -> Sequence[int]:
    with engine.connect() as connection:
        return characters_to_list(connection, CACHE)


def _missing_and_stale(engine: Engine, kind: str, candidates: Sequence[int], ttl: timedelta) -> list[int]:
    with engine.connect() as connection:
        return sorted({*missing(connection, kind, candidates), *stale(connection, kind, ttl)})


PRODUCERS = {
    producer.name: producer
    for producer in (
        Producer("alliances", catalogue.ALLIANCES, "every alliance of ESI's list, missing or stale", _alliances),
        Producer(
            "alliance_corporations",
            catalogue.ALLIANCE_CORPORATIONS,
            "every known alliance that is not closed",
            _alliance_corporations,
        ),
        Producer(
            "corporations",
            catalogue.CORPORATIONS,
            "NPC corporations and those of known alliances, characters and killmails, missing or stale",
            _corporations,
        ),
        Producer("characters", catalogue.CHARACTERS, "characters of killmails, missing or stale", _characters),
        Producer("types", catalogue.TYPES, "types of killmails, missing or stale", _types),
        Producer(
            "character_killmails",
            catalogue.ZKILLBOARD_CHARACTERS,
            "the zKillboard lists of followed characters",
            _character_killmails,
        ),
    )
}


def producer(name: str) -> Producer:
    """The producer of that name.

    Raises:
        UserError: there is none; names those that there are.
    """
    if name not in PRODUCERS:
        raise UserError(f"there is no producer {name!r}; there are {', '.join(PRODUCERS)}, scan_killmail_entities")
    return PRODUCERS[name]

"""The handlers of the four info queues: fetch one alliance, corporation, character or type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient, Fetched
from killreport_assets.esi.models import EsiBody
from killreport_assets.http.errors import Gone
from killreport_assets.models.dogma import DOGMA
from killreport_assets.models.ids import EntityKind, zkillboard_url
from killreport_assets.queues.catalogue import ALLIANCE_CORPORATIONS, BY_KIND, WorkQueue
from killreport_assets.store.affiliations import CharacterAffiliation, record_first_affiliations
from killreport_assets.store.alliances import corporations_of_characters_and_alliances, reopen_alliances
from killreport_assets.store.entities import fresh_after, known_entities, mark_gone, touch, upsert
from killreport_assets.store.schema import tables
from killreport_assets.store.wanted import missing, stale
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage, WorkerContext
from killreport_assets.workers.producers import Find, Producer
from killreport_assets.workers.registry import Registration, register

Body = dict[str, Any]
FetchedEntity = Fetched[EsiBody] | Gone


def _as_it_is(body: EsiBody) -> Body:
    return dict(body.model_dump())


def _corporation(body: models.Corporation) -> Body:
    rates = {"tax_rate_isk": body.tax_rates.isk, "tax_rate_loyalty_point": body.tax_rates.loyalty_point}
    return _as_it_is(body) | rates


def _type(body: models.Type) -> Body:
    values = {attribute.attribute_id: attribute.value for attribute in body.dogma_attributes}
    return _as_it_is(body) | {column: values.get(id_) for id_, column in DOGMA.items()}


@dataclass(frozen=True)
class EntitySource:
    """How entities of one kind are fetched and stored."""

    kind: EntityKind
    route: routes.Route
    model: type[EsiBody]
    row: Callable[[Any], Body]

    @property
    def queue(self) -> WorkQueue:
        """Its info queue."""
        return BY_KIND[self.kind]

    @property
    def table(self) -> sa.Table:
        """Its dimension table."""
        return tables.DIMENSIONS[self.kind]


SOURCES = {
    source.kind: source
    for source in (
        EntitySource(EntityKind.ALLIANCE, routes.ALLIANCE, models.Alliance, _as_it_is),
        EntitySource(EntityKind.CORPORATION, routes.CORPORATION, models.Corporation, _corporation),
        EntitySource(EntityKind.CHARACTER, routes.CHARACTER, models.Character, _as_it_is),
        EntitySource(EntityKind.TYPE, routes.TYPE, models.Type, _type),
    )
}


class EntityHandler(Handler[str, FetchedEntity]):
    """Known and fresh entities are not fetched; stale ones are fetched with their ETag."""

    def __init__(self, kind: EntityKind, client: EsiClient, ttl_days: int) -> None:
        self._source = SOURCES[kind]
        self._client = client
        self._ttl_days = ttl_days

    @property
    def queue(self) -> WorkQueue:
        return self._source.queue

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, str | Outcome]:
        known = known_entities(connection, self._source.kind, [received.id for received in messages])
        stale_before = fresh_after(datetime.now(UTC), self._ttl_days)
        plans: dict[str, str | Outcome] = {}
        for received in messages:
            entity = known.get(received.id)
            if entity is not None and entity.fetched_at >= stale_before:
                plans[received.message.message_id] = Outcome.GONE if entity.is_gone else Outcome.UNCHANGED
            elif entity is not None and entity.etag is not None:
                plans[received.message.message_id] = entity.etag
        return plans

    def fetch(self, message: ReceivedMessage, plan: str | None) -> FetchedEntity:
        try:
            return self._client.fetch(self._source.route, self._source.model, message.id, plan)
        except Gone as gone:
            return gone

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, FetchedEntity]], run_id: str | None
    ) -> BatchReport:
        now = datetime.now(UTC)
        rows: dict[int, Body] = {}
        current, gone = [], []
        for received, result in fetched:
            if isinstance(result, Gone):
                gone.append(received.id)
            elif result.body is None:
                current.append(received.id)
            else:
                rows[received.id] = self._row(received.id, result, now)
        upsert(connection, self._source.table, list(rows.values()))
        if self._source.table is tables.characters:
            record_first_affiliations(connection, [_affiliation(row) for row in rows.values()], now)
        touch(connection, self._source.kind, current)
        mark_gone(connection, self._source.kind, gone)
        report = BatchReport([Outcome.GONE if isinstance(result, Gone) else Outcome.STORED for _, result in fetched])
        report.rows[self._source.table.name] += len(rows)
        for (received, _), outcome in zip(fetched, report.outcomes, strict=True):
            killmail_id = received.message.cause.killmail_id
            if killmail_id is not None:
                report.killmail_ids.append(killmail_id)
            report.sample.append(self._sample(received.id, rows.get(received.id), outcome, killmail_id))
        return report

    def _row(self, id_: int, fetched: Fetched[EsiBody], now: datetime) -> Body:
        origin = {"source": "esi", "etag": fetched.etag, "fetched_at": now, "gone_at": None}
        row = self._source.row(fetched.body) | origin | {self._source.kind.key: id_}
        return {name: value for name, value in row.items() if name in self._source.table.c}

    def _sample(self, id_: int, row: Body | None, outcome: Outcome, killmail_id: int | None) -> Mapping[str, object]:
        return {
            self._source.kind.key: id_,
            "name": row["name"] if row else None,
            "outcome": outcome.value,
            "because_of_killmail": killmail_id,
            "zkillboard": zkillboard_url(killmail_id) if killmail_id else None,
        }


def _affiliation(row: Body) -> CharacterAffiliation:
    return CharacterAffiliation(row["character_id"], row["corporation_id"], row["alliance_id"], row["faction_id"])


# ---- what their producers find -------------------------------------------------------------------------------------


def _alliances(engine: Engine, esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    listed = esi.ids(routes.ALLIANCES)
    with engine.begin() as connection:
        reopen_alliances(connection, listed)
    return _missing_and_stale(engine, EntityKind.ALLIANCE, listed, ttl)


def _corporations(engine: Engine, esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    """Find NPC corporations and those of alliances and characters; storing killmails has requested theirs."""
    npc_corporations = esi.ids(routes.NPC_CORPORATIONS)
    with engine.connect() as connection:
        named = corporations_of_characters_and_alliances(connection)
    return _missing_and_stale(engine, EntityKind.CORPORATION, npc_corporations + named, ttl)


def _characters(engine: Engine, _esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    return _missing_and_stale(engine, EntityKind.CHARACTER, [], ttl)


def _types(engine: Engine, _esi: EsiClient, ttl: timedelta) -> Sequence[int]:
    return _missing_and_stale(engine, EntityKind.TYPE, [], ttl)


def _missing_and_stale(engine: Engine, kind: EntityKind, candidates: Sequence[int], ttl: timedelta) -> list[int]:
    with engine.connect() as connection:
        return sorted({*missing(connection, kind, candidates), *stale(connection, kind, ttl)})


def _register(kind: EntityKind, name: str, description: str, find: Find, *more_upstream: str) -> None:
    def build(context: WorkerContext) -> EntityHandler:
        return EntityHandler(kind, context.esi, context.settings.data.entity_ttl_days)

    queue = SOURCES[kind].queue
    register(
        Registration(
            queue,
            build,
            upstream=("raw/killmails", *more_upstream),
            table=SOURCES[kind].table,
            producer=Producer(name, queue, description, find),
        )
    )


_register(EntityKind.ALLIANCE, "alliances", "every alliance of ESI's list, missing or stale", _alliances)
_register(
    EntityKind.CORPORATION,
    "corporations",
    "NPC corporations and those of known alliances, characters and killmails, missing or stale",
    _corporations,
    f"queue/{ALLIANCE_CORPORATIONS.name}",
)
_register(EntityKind.CHARACTER, "characters", "characters of killmails, missing or stale", _characters)
_register(EntityKind.TYPE, "types", "types of killmails, missing or stale", _types)

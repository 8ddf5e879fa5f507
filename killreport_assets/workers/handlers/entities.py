"""The work of the four info queues: fetch one alliance, corporation, character or type, and end its pending."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.esi import models, routes
from killreport_assets.esi.client import EsiClient, Fetched
from killreport_assets.esi.models import EsiBody
from killreport_assets.http.errors import Gone
from killreport_assets.models.dogma import DOGMA
from killreport_assets.queues import catalogue
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.store import lineage
from killreport_assets.store.affiliations import Affiliation, record_first_affiliations
from killreport_assets.store.entities import fresh_after, known_entities, mark_gone, touch, upsert
from killreport_assets.store.lineage import Settled
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import FRESH, SAMPLE_ROWS, DrainReport, Task


def _as_it_is(body: Any) -> dict[str, Any]:
    return dict(body.model_dump())


def _corporation(body: Any) -> dict[str, Any]:
    rates = {"tax_rate_isk": body.tax_rates.isk, "tax_rate_loyalty_point": body.tax_rates.loyalty_point}
    return _as_it_is(body) | rates


def _type(body: Any) -> dict[str, Any]:
    values = {attribute.attribute_id: attribute.value for attribute in body.dogma_attributes}
    return _as_it_is(body) | {column: values.get(id_) for id_, column in DOGMA.items()}


@dataclass(frozen=True)
class EntityKind:
    """How entities of one kind are fetched and kept."""

    queue: WorkQueue
    route: routes.Route
    model: type[EsiBody]
    row: Callable[[Any], dict[str, Any]]

    @property
    def table(self) -> sa.Table:
        """Its dimension table."""
        return tables.DIMENSIONS[self.queue.kind]

    @property
    def key(self) -> str:
        """The name of the table's id."""
        return next(iter(self.table.primary_key)).name


ENTITY_KINDS = {
    kind.queue.kind: kind
    for kind in (
        EntityKind(catalogue.ALLIANCES, routes.ALLIANCE, models.Alliance, _as_it_is),
        EntityKind(catalogue.CORPORATIONS, routes.CORPORATION, models.Corporation, _corporation),
        EntityKind(catalogue.CHARACTERS, routes.CHARACTER, models.Character, _as_it_is),
        EntityKind(catalogue.TYPES, routes.TYPE, models.Type, _type),
    )
}


class EntityWork:
    """What is known and fresh is not fetched; what is stale is fetched with its ETag."""

    def __init__(self, kind: str, client: EsiClient, ttl_days: int) -> None:
        self._kind = ENTITY_KINDS[kind]
        self._client = client
        self._ttl_days = ttl_days

    @property
    def queue(self) -> WorkQueue:
        return self._kind.queue

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        known = known_entities(connection, self.queue.kind, [task.message.id for task in tasks])
        stale = fresh_after(datetime.now(UTC), self._ttl_days)
        plans: dict[str, Any] = {}
        for task in tasks:
            if task.message.id in known:
                entity = known[task.message.id]
                current = Gone("known to be gone") if entity.is_gone else FRESH
                plans[task.message.message_id] = current if entity.fetched_at >= stale else entity.etag
        return plans

    def fetch(self, task: Task, known: Any) -> Any:
        return self._client.fetch(self._kind.route, self._kind.model, task.message.id, known)

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> None:
        now = datetime.now(UTC)
        rows: dict[int, dict[str, Any]] = {}
        current, gone, settled = [], [], []
        for task, result in results:
            id_ = task.message.id
            if isinstance(result, Gone):
                gone.append(id_)
            elif isinstance(result, Fetched) and result.body is None:
                current.append(id_)
            elif isinstance(result, Fetched):
                book = {"source": "esi", "etag": result.etag, "fetched_at": now, "gone_at": None}
                row = self._kind.row(result.body) | book | {self._kind.key: id_}
                rows[id_] = {name: value for name, value in row.items() if name in self._kind.table.c}
            outcome: lineage.Outcome = "gone" if isinstance(result, Gone) else "stored"
            settled.append(_settled(task, outcome))
            report.outcomes["gone" if isinstance(result, Gone) else "fresh" if result is FRESH else "stored"] += 1
            self._sample(task, rows.get(id_), outcome, report)
        upsert(connection, self._kind.table, list(rows.values()))
        if self._kind.table is tables.characters:
            record_first_affiliations(connection, [_affiliation(row) for row in rows.values()], now)
        touch(connection, self.queue.kind, current)
        mark_gone(connection, self.queue.kind, gone)
        report.rows[self._kind.table.name] += len(rows)
        lineage.settle(connection, self.queue.kind, self.queue.name, settled, run_id)

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        buried = [_settled(task, "dead") for task in dead]
        lineage.settle(connection, self.queue.kind, self.queue.name, buried, run_id)

    def _sample(self, task: Task, row: dict[str, Any] | None, outcome: str, report: DrainReport) -> None:
        killmail_id = task.message.cause.killmail_id
        report.saw_killmail(killmail_id)
        if len(report.sample) < SAMPLE_ROWS:
            report.sample.append(
                {
                    self._kind.key: task.message.id,
                    "name": row["name"] if row else None,
                    "outcome": outcome,
                    "because_of_killmail": killmail_id,
                    "zkillboard": f"https://zkillboard.com/kill/{killmail_id}/" if killmail_id else None,
                }
            )


def _affiliation(row: dict[str, Any]) -> Affiliation:
    return Affiliation(row["character_id"], row["corporation_id"], row["alliance_id"], row["faction_id"])


def _settled(task: Task, outcome: lineage.Outcome) -> Settled:
    message = task.message
    return Settled(message.id, outcome, message.message_id, task.delivery.attempts + 1, message.cause.run_id)

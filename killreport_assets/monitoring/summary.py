"""Counts of the database's contents: the summary of a run. Reads only."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine


@dataclass(frozen=True)
class EntityCount:
    """How many entities of a kind killmails requested, and how many of these have been filled in."""

    kind: str
    requested: int
    filled: int
    gone: int


@dataclass(frozen=True)
class Summary:
    """Counts over the whole database."""

    killmails: int
    killmails_by_source: Mapping[str, int]
    attackers: int
    items: int
    nested_items: int
    rejected: int
    dead_letters: int
    pending: int
    entities: list[EntityCount]


@dataclass(frozen=True)
class Spending:
    """Requests and tokens by service, over all days."""

    requests: Mapping[str, int]
    tokens: int

    def since(self, earlier: "Spending") -> "Spending":
        """Return what was spent after `earlier`."""
        requests = {name: count - earlier.requests.get(name, 0) for name, count in self.requests.items()}
        return Spending({name: count for name, count in requests.items() if count}, self.tokens - earlier.tokens)


def _one(connection: sa.Connection, query: str) -> Any:
    return connection.execute(sa.text(query)).scalar_one()


def summarize(engine: Engine) -> Summary:
    """Count what is in the database."""
    with engine.connect() as connection:
        by_source = connection.execute(
            sa.text("select source, count(*) as killmails from raw.killmails group by source order by 1")
        )
        entities = connection.execute(
            sa.text("""
            select entity_kind, count(*), count(*) filter (where stored), count(*) filter (where gone) from (
                select entity_kind, entity_id, bool_or(outcome = 'stored') as stored, bool_or(outcome = 'gone') as gone
                from ops.enrichments group by entity_kind, entity_id
            ) entities group by entity_kind order by entity_kind
            """)
        )
        sources = {row.source: int(row.killmails) for row in by_source}
        return Summary(
            killmails=sum(sources.values()),
            killmails_by_source=sources,
            attackers=_one(connection, "select count(*) from raw.killmail_attackers"),
            items=_one(connection, "select count(*) from raw.killmail_items"),
            nested_items=_one(connection, "select count(*) from raw.killmail_items where parent_index is not null"),
            rejected=_one(connection, "select count(*) from ops.rejected_killmails"),
            dead_letters=_one(connection, "select count(*) from ops.dead_letters where replayed_at is null"),
            pending=_one(connection, "select count(*) from ops.entity_pending where dead_at is null"),
            entities=[EntityCount(*row) for row in entities],
        )


def spending(engine: Engine) -> Spending:
    """Return what all processes have requested from the services so far."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select service, sum(requests), sum(tokens) from ops.request_totals group by service")
        ).all()
    return Spending({service: int(requests) for service, requests, _ in rows}, int(sum(row[2] for row in rows)))

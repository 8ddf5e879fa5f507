"""Pending work, and the killmails that caused it.

`ops.entity_pending` has a row for each piece of work, `ops.enrichments` one for each entity and killmail. The killmail
writer records, producers request, the publisher claims, workers settle. Nothing here publishes or fetches.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.database.locks import publishers
from killreport_assets.models.ids import EntityKind, is_fetchable
from killreport_assets.store.places import PLACES, STAGED_ROWS, NewRows
from killreport_assets.store.schema.tables import DIMENSIONS

EnrichmentOutcome = Literal["stored", "gone", "dead"]
CLAIM_LASTS = timedelta(minutes=10)
"""When a claim without a confirmed message expires although its publisher holds its lock: it may hang."""
MESSAGE_LASTS = timedelta(days=1)
"""When a confirmed message that is not settled counts as lost."""
URGENT_MAX_AGE = timedelta(hours=1)
"""Entities that a younger killmail mentions are urgent."""
_SAME_HASH = "entity_pending.hash is not distinct from excluded.hash"
_UNCHANGED = f"((entity_pending.urgent or not excluded.urgent) and {_SAME_HASH})"
_UPDATE = f"""
    urgent = entity_pending.urgent or excluded.urgent,
    hash = excluded.hash,
    claimed_at = case when {_UNCHANGED} then entity_pending.claimed_at end,
    claimed_by = case when {_UNCHANGED} then entity_pending.claimed_by end,
    published_at = case when {_UNCHANGED} then entity_pending.published_at end,
    dead_at = case when {_SAME_HASH} then entity_pending.dead_at end
"""
"""Work that becomes urgent after it was published is published again, in the priority lane; so is a killmail that is
requested with another hash."""


@dataclass(frozen=True)
class PendingEntity:
    """Work to publish, and one of the killmails that mention the entity (None: no killmail caused the work)."""

    kind: str
    entity_id: int
    urgent: bool
    killmail_id: int | None
    claimed_at: datetime | None = None
    """When it was claimed; a later claim belongs to another process."""
    hash: str | None = None
    """The killmail hash, if the work is a killmail."""


def _record_mentions_of(kind: EntityKind, new: NewRows) -> str:
    branches = " union all ".join(
        f"select killmail_id, {place.column} as id, unnest({place.roles}) as role from {new[place.staged]} m "
        f"where killmail_id in (select killmail_id from {new['new_killmails']} k) "
        f"and {place.column} = any(:unknown)"
        for place in PLACES[kind]
    )
    return f"""
        with caused as (
            insert into ops.enrichments (entity_kind, entity_id, killmail_id, roles, outcome)
            select '{kind}', id, killmail_id, array_agg(distinct role order by role), 'pending'
            from ({branches}) mentioned group by id, killmail_id order by id, killmail_id
            on conflict do nothing
            returning entity_id, killmail_id
        )
        insert into ops.entity_pending (entity_kind, entity_id, urgent)
        select '{kind}', entity_id, bool_or(killmail_time > now() - interval '{URGENT_MAX_AGE.total_seconds()} seconds')
        from caused join {new["new_killmails"]} k using (killmail_id) group by entity_id order by entity_id
        -- Not "do nothing": the row must be locked, so that settling the entity waits for this commit
        -- and sees these enrichments.
        on conflict (entity_kind, entity_id) do update set {_UPDATE}
    """


def _unknown(connection: Connection, kind: EntityKind, ids: Collection[int]) -> list[int]:
    """The ids that ESI has as entities of a kind, and that the dimension table lacks.

    An entity that became known after this transaction began counts as unknown, so that checks can derive from stored_at
    and known_since alone whether a row must exist.
    """
    query = sa.text(f"""
        select id from unnest(cast(cast(:ids as text) as bigint[])) as mentioned (id)
        where {is_fetchable(kind, "id")} and not exists (
            select from {DIMENSIONS[kind].fullname} d where d.{kind.key} = mentioned.id and d.known_since <= now()
        )
    """)
    # As text: adapting a list of tens of thousands takes as long as the query.
    return list(connection.execute(query, {"ids": "{" + ",".join(map(str, ids)) + "}"}).scalars())


def record_mentions(
    connection: Connection, mentioned: Mapping[EntityKind, Collection[int]], new: NewRows = STAGED_ROWS
) -> None:
    """Record the entities that new killmails mention and the dimension tables lack.

    `mentioned` has at least the ids of the new killmails, by kind.
    """
    for kind in DIMENSIONS:
        if unknown := _unknown(connection, kind, mentioned[kind]):
            connection.execute(sa.text(_record_mentions_of(kind, new)), {"unknown": unknown})


def request(
    connection: Connection,
    kind: str,
    ids: Sequence[int],
    *,
    hashes: Mapping[int, str] | None = None,
    urgent: bool = False,
    revive_dead: bool = False,
) -> int:
    """Request work of a kind; returns how many of the ids were new or changed.

    Killmails need `hashes`. Dead work stays dead, unless `revive_dead` is set or another hash is given.
    """
    if revive_dead:
        revive(connection, kind, ids, is_published=False)
    distinct = sorted(set(ids))
    is_known = "false"
    if kind in DIMENSIONS:
        is_known = f"exists (select from {DIMENSIONS[EntityKind(kind)].fullname} d where d.{kind}_id = id)"
    requested = connection.execute(
        sa.text(f"""
        insert into ops.entity_pending (entity_kind, entity_id, hash, urgent, is_known)
        select :kind, id, hash, cast(:urgent as boolean), {is_known}
        from unnest(cast(:ids as bigint[]), cast(:hashes as text[])) as given (id, hash) where id > 0 order by id
        on conflict (entity_kind, entity_id) do update set {_UPDATE}
        where not {_UNCHANGED}
        """),
        {"kind": kind, "ids": distinct, "hashes": [(hashes or {}).get(id_) for id_ in distinct], "urgent": urgent},
    )
    return requested.rowcount


def pending(connection: Connection, kind: str, ids: Sequence[int]) -> set[int]:
    """Which of the ids are pending, including dead ones."""
    rows = connection.execute(
        sa.text("select entity_id from ops.entity_pending where entity_kind = :kind and entity_id = any(:ids)"),
        {"kind": kind, "ids": list(ids)},
    )
    return set(rows.scalars())


def claim_pending(
    connection: Connection, publisher: int, limit: int, *, include_expired: bool = False
) -> list[PendingEntity]:
    """Claim up to `limit` pieces of pending work, urgent and oldest first; only this publisher publishes them.

    It holds its lock (database/locks.py) until the claims are settled; what a publisher without its lock has claimed is
    free. `include_expired` adds work whose message counts as lost.
    """
    lost = "or published_at < now() - cast(:message_lasts as interval)" if include_expired else ""
    claimed = connection.execute(
        sa.text(f"""
        with free as (
            select entity_kind, entity_id from ops.entity_pending
            where dead_at is null
                and (claimed_at is null or claimed_by = any(cast(:dead as int[]))
                    or claimed_at < now() - cast(:claim_lasts as interval))
                and (published_at is null {lost})
            order by urgent desc, first_seen limit :limit for update skip locked
        ), taken as (
            update ops.entity_pending p set claimed_at = now(), claimed_by = :publisher from free
            where p.entity_kind = free.entity_kind and p.entity_id = free.entity_id
            returning p.entity_kind, p.entity_id, p.urgent, p.claimed_at, p.hash
        )
        select taken.entity_kind, taken.entity_id, taken.urgent,
               (select min(e.killmail_id) from ops.enrichments e
                where e.entity_kind = taken.entity_kind and e.entity_id = taken.entity_id and e.enriched_at is null),
               taken.claimed_at, taken.hash
        from taken
        """),
        {
            "publisher": publisher,
            "dead": _dead_publishers(connection),
            "limit": limit,
            "claim_lasts": CLAIM_LASTS,
            **({"message_lasts": MESSAGE_LASTS} if include_expired else {}),
        },
    )
    return [PendingEntity(*row) for row in claimed]


def _dead_publishers(connection: Connection) -> list[int]:
    """Publishers that have claimed work and no longer hold their lock; the claims are read first, then the locks."""
    claiming = connection.execute(
        sa.text("select distinct claimed_by from ops.entity_pending where claimed_by is not null")
    )
    known = set(claiming.scalars())
    return sorted(known - publishers(connection)) if known else []


def confirm_published(connection: Connection, entities: Sequence[PendingEntity]) -> None:
    """Record that the broker has confirmed the messages of claimed work."""
    _update_claims(connection, entities, "published_at = now(), claimed_by = null")


def release_claims(connection: Connection, entities: Sequence[PendingEntity]) -> None:
    """Release claims whose messages could not be published."""
    _update_claims(connection, entities, "claimed_at = null, claimed_by = null")


def _update_claims(connection: Connection, entities: Sequence[PendingEntity], change: str) -> None:
    connection.execute(
        sa.text(f"""
        with locked as (
            select entity_kind, entity_id from ops.entity_pending
            where (entity_kind, entity_id, claimed_at) in (
                select kind, id, claimed_at from unnest(
                    cast(:kinds as text[]), cast(:ids as bigint[]), cast(:claims as timestamptz[]))
                    as given (kind, id, claimed_at))
            order by entity_kind, entity_id for update
        )
        update ops.entity_pending p set {change} from locked
        where p.entity_kind = locked.entity_kind and p.entity_id = locked.entity_id
        """),
        {
            "kinds": [e.kind for e in entities],
            "ids": [e.entity_id for e in entities],
            "claims": [e.claimed_at for e in entities],
        },
    )


@dataclass(frozen=True)
class SettledEntity:
    """An entity's outcome, the message that settled it, the run that published it, and the number of attempts."""

    entity_id: int
    outcome: EnrichmentOutcome
    message_id: str
    attempts: int
    publishing_run: str | None


def settle(connection: Connection, kind: str, queue: str, settled: Sequence[SettledEntity], run_id: str | None) -> int:
    """End pending work and complete its lineage; returns the number of completed enrichments."""
    if not settled:
        return 0
    dead = [s.entity_id for s in settled if s.outcome == "dead"]
    done = [s.entity_id for s in settled if s.outcome != "dead"]
    end_pending(connection, kind, done)
    mark_dead(connection, kind, dead)
    return connection.execute(
        sa.text("""
        update ops.enrichments e set
            enriched_at = case when given.outcome = 'dead' then null else now() end, outcome = given.outcome,
            publishing_run = given.publishing_run, consuming_run = :run, queue = :queue,
            message_id = given.message_id, attempts = given.attempts
        from unnest(cast(:ids as bigint[]), cast(:outcomes as text[]), cast(:messages as text[]),
                    cast(:attempts as int[]), cast(:runs as text[]))
            as given (id, outcome, message_id, attempts, publishing_run)
        where e.entity_kind = :kind and e.entity_id = given.id and e.enriched_at is null
        """),
        {
            "kind": kind,
            "queue": queue,
            "run": run_id,
            "ids": [s.entity_id for s in settled],
            "outcomes": [s.outcome for s in settled],
            "messages": [s.message_id for s in settled],
            "attempts": [s.attempts for s in settled],
            "runs": [s.publishing_run for s in settled],
        },
    ).rowcount


def lock_pending(connection: Connection, kind: str, ids: Sequence[int]) -> None:
    """Lock pending work before it is settled, in the same order in which requests lock it."""
    connection.execute(
        sa.text("""
        select from ops.entity_pending
        where entity_kind = :kind and entity_id = any(cast(:ids as bigint[])) order by entity_id for update
        """),
        {"kind": kind, "ids": list(ids)},
    )


def end_pending(connection: Connection, kind: str, ids: Sequence[int]) -> None:
    """Delete pending work; call it before the entities' enrichments are completed.

    It waits for writers that are about to commit another cause of the same entity, with one lock order for all; the
    statements that follow see the enrichments of those writers.
    """
    connection.execute(
        sa.text("""
        with locked as (
            select entity_id from ops.entity_pending
            where entity_kind = :kind and entity_id = any(cast(:ids as bigint[])) order by entity_id for update
        )
        delete from ops.entity_pending p using locked where p.entity_kind = :kind and p.entity_id = locked.entity_id
        """),
        {"kind": kind, "ids": list(ids)},
    )


def mark_dead(connection: Connection, kind: str, ids: Sequence[int]) -> None:
    """Mark work as dead: it stays pending, because it is not done, but it is no longer published."""
    connection.execute(
        sa.text("""
        update ops.entity_pending set dead_at = now()
        where entity_kind = :kind and entity_id = any(cast(:ids as bigint[]))
        """),
        {"kind": kind, "ids": list(ids)},
    )


def settle_known(connection: Connection, kind: EntityKind, run_id: str | None) -> int:
    """End pending work for entities that another source has stored (types, from static data); returns how many."""
    dimension = DIMENSIONS[kind]
    query = sa.text(
        f"select entity_id from ops.entity_pending p join {dimension.fullname} d on d.{kind.key} = p.entity_id "
        "where p.entity_kind = :kind"
    )
    ids = sorted(connection.execute(query, {"kind": kind}).scalars())
    end_pending(connection, kind, ids)
    connection.execute(
        sa.text("""
        update ops.enrichments set
            enriched_at = now(), outcome = 'stored', publishing_run = coalesce(publishing_run, :run),
            consuming_run = :run
        where entity_kind = :kind and entity_id = any(cast(:ids as bigint[])) and enriched_at is null
        """),
        {"kind": kind, "ids": ids, "run": run_id},
    )
    return len(ids)


def revive(connection: Connection, kind: str, ids: Sequence[int], *, is_published: bool) -> None:
    """Make dead work pending again, and mark it as published if its message is replayed."""
    connection.execute(
        sa.text("""
        with dead as (
            select entity_id from ops.entity_pending
            where entity_kind = :kind and entity_id = any(cast(:ids as bigint[])) and dead_at is not null
            order by entity_id for update
        )
        update ops.entity_pending p set
            dead_at = null, claimed_by = null, claimed_at = case when :is_published then now() end,
            published_at = case when :is_published then now() end
        from dead where p.entity_kind = :kind and p.entity_id = dead.entity_id
        """),
        {"kind": kind, "ids": list(ids), "is_published": is_published},
    )
    connection.execute(
        sa.text("""
        update ops.enrichments set outcome = 'pending'
        where entity_kind = :kind and entity_id = any(cast(:ids as bigint[])) and outcome = 'dead'
        """),
        {"kind": kind, "ids": list(ids)},
    )

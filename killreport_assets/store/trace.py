"""The lineage of one killmail or entity: which killmail caused which fetch, by which runs, with which outcome."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.base.errors import UserError
from killreport_assets.models.ids import EntityKind
from killreport_assets.store.mentions import mentions_of
from killreport_assets.store.schema.tables import DIMENSIONS

MAX_ROWS = 500
_COLUMNS = "roles, requested_at, queue, message_id, publishing_run, enriched_at, consuming_run, attempts, outcome"


@dataclass(frozen=True)
class TracedCause:
    """One entity on one killmail and how it was fetched; `outcome` is 'known' if it was stored before."""

    kind: str
    entity_id: int
    name: str | None
    killmail_id: int
    roles: list[str]
    requested_at: datetime | None
    queue: str | None
    message_id: str | None
    publishing_run: str | None
    enriched_at: datetime | None
    consuming_run: str | None
    attempts: int | None
    outcome: str


@dataclass(frozen=True)
class KillmailTrace:
    """A stored killmail and all entities on it."""

    killmail_id: int
    killmail_time: datetime
    killmail_hash: str
    source: str
    stored_at: datetime
    causes: list[TracedCause]


@dataclass(frozen=True)
class EntityTrace:
    """An entity and the killmails that caused it to be fetched, earliest first, at most `MAX_ROWS`."""

    kind: str
    entity_id: int
    name: str | None
    known_since: datetime | None
    fetched_at: datetime | None
    gone_at: datetime | None
    pending_since: datetime | None
    caused_by: int
    causes: list[TracedCause]


def trace_killmail(connection: Connection, killmail_id: int) -> KillmailTrace:
    """Trace one killmail and all entities on it.

    Raises:
        UserError: the killmail is not stored.
    """
    killmail = connection.execute(
        sa.text("""
        select killmail_id, killmail_time, killmail_hash, source, stored_at
        from raw.killmails where killmail_id = :id
        """),
        {"id": killmail_id},
    ).one_or_none()
    if killmail is None:
        raise UserError(f"killmail {killmail_id} is not stored")
    id_, time, hash_, source, stored_at = killmail
    rows = connection.execute(
        sa.text(f"select entity_kind, entity_id, {_COLUMNS} from ops.enrichments where killmail_id = :id"),
        {"id": killmail_id},
    )
    recorded = {(row.entity_kind, row.entity_id): row for row in rows}
    causes = []
    for mention in mentions_of(connection, killmail_id, time):
        row = recorded.get((mention.kind, mention.entity_id))
        identity = (mention.kind, mention.entity_id, mention.name, killmail_id)
        nothing = (mention.roles, None, None, None, None, None, None, None, "known")
        causes.append(TracedCause(*identity, *(row[2:] if row is not None else nothing)))
    return KillmailTrace(id_, time, hash_, source, stored_at, causes)


def trace_entity(connection: Connection, kind: str, entity_id: int) -> EntityTrace:
    """Trace one entity and its causes.

    Raises:
        UserError: the kind cannot be traced, or nothing is known of the entity.
    """
    if kind not in DIMENSIONS:
        raise UserError(f"a {kind!r} cannot be traced; {', '.join(DIMENSIONS)} can, and a killmail")
    known = connection.execute(
        sa.text(f"""
        select coalesce(d.name, n.name), d.known_since, d.fetched_at, d.gone_at, p.first_seen,
               (select count(*) from ops.enrichments e where e.entity_kind = :kind and e.entity_id = :id)
        from (select cast(:id as bigint) as id) asked
        left join {DIMENSIONS[EntityKind(kind)].fullname} d on d.{kind}_id = asked.id
        left join raw.entity_names n on n.entity_kind = :kind and n.entity_id = asked.id
        left join ops.entity_pending p on p.entity_kind = :kind and p.entity_id = asked.id
        """),
        {"kind": kind, "id": entity_id},
    ).one()
    name, known_since, fetched_at, gone_at, pending_since, caused_by = known
    if known_since is None and pending_since is None and not caused_by and name is None:
        raise UserError(f"nothing is known of {kind} {entity_id}")
    rows = connection.execute(
        sa.text(f"""
        select killmail_id, {_COLUMNS} from ops.enrichments
        where entity_kind = :kind and entity_id = :id order by requested_at, killmail_id limit {MAX_ROWS}
        """),
        {"kind": kind, "id": entity_id},
    )
    causes = [TracedCause(kind, entity_id, name, *row) for row in rows]
    return EntityTrace(kind, entity_id, name, known_since, fetched_at, gone_at, pending_since, caused_by, causes)

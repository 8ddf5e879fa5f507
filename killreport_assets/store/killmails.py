"""The killmail writer: the bodies of every source go through `write_killmails`.

It checks bodies, stores them whole or keeps them as rejected, and records changed days and the entities that new
killmails mention and the dimension tables lack. Nothing here fetches or publishes.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.text import storable
from killreport_assets.database.migrate import writing
from killreport_assets.models.ids import KILLMAIL
from killreport_assets.models.killmail import InvalidKillmail, Killmail, KillmailBody, check
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import mark_written
from killreport_assets.store.killmail_rows import COLUMNS, KillmailRows, pack_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import STAGED
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row
from killreport_assets.store.stored_killmails import known_killmails

ESI = "esi"
"""The source whose killmails are not requested again."""
MAX_BODY_LENGTH = 2**20
"""Characters that are kept of a rejected body."""


@dataclass
class WriteReport:
    """The result of a write: four lists of killmail ids, with each body in exactly one, and row counts.

    `rejected` pairs the id, None if it could not be read, with the reason. `without_body` came with id and hash only.
    """

    stored: list[int] = field(default_factory=list)
    already_there: list[int] = field(default_factory=list)
    rejected: list[tuple[int | None, str]] = field(default_factory=list)
    without_body: list[int] = field(default_factory=list)
    attackers: int = 0
    items: int = 0

    def add(self, other: "WriteReport") -> None:
        """Add the result of another write."""
        self.stored += other.stored
        self.already_there += other.already_there
        self.rejected += other.rejected
        self.without_body += other.without_body
        self.attackers += other.attackers
        self.items += other.items


def write_killmails(engine: Engine, bodies: Iterable[KillmailBody], source: str) -> WriteReport:
    """Check and store bodies in a transaction of their own; see `write_killmails_in`."""
    batch = _check_all(bodies, source)
    ensure_months(engine, {killmail.killmail_time for killmail in batch.whole.values()})
    with writing(engine) as connection:
        _write(connection, batch)
    return batch.report


def write_killmails_in(connection: Connection, bodies: Iterable[KillmailBody], source: str) -> WriteReport:
    """Check and store bodies in the caller's transaction.

    Killmails are immutable: one that is already stored is not changed. A rejected one is kept in
    `ops.rejected_killmails` and does not affect the others. The same transaction fills `ops.entity_pending` and
    `ops.enrichments` for the entities that new killmails mention and the dimension tables lack. What cannot be stored
    but has an id and a hash is requested from ESI, unless it came from there.
    """
    batch = _check_all(bodies, source)
    ensure_months(connection.engine, {killmail.killmail_time for killmail in batch.whole.values()})
    _write(connection, batch)
    return batch.report


@dataclass
class _Batch:
    """Checked bodies of one source."""

    source: str
    whole: dict[int, Killmail] = field(default_factory=dict)
    received: dict[int, KillmailBody] = field(default_factory=dict)
    """The whole killmails as received, by id."""
    rejects: list[Row] = field(default_factory=list)
    references: dict[int, str] = field(default_factory=dict)
    """Hashes by id, of what could not be stored."""
    report: WriteReport = field(default_factory=WriteReport)

    def reject(self, candidate: KillmailBody, reason: str) -> None:
        """Keep a body with the reason why it cannot be stored."""
        self.rejects.append(_reject(candidate, self.source, reason))
        self.report.rejected.append((candidate.killmail_id, reason))


def _check_all(bodies: Iterable[KillmailBody], source: str) -> _Batch:
    batch = _Batch(source)
    # Bodies with a hash go first, so that one without a hash never replaces them.
    for candidate in sorted(bodies, key=lambda candidate: candidate.hash is None):
        reference = candidate.reference
        if candidate.is_absent and reference is not None and source != ESI:
            batch.references |= [reference]
            batch.report.without_body.append(reference[0])
            continue
        try:
            killmail = check(candidate)
        except InvalidKillmail as invalid:
            batch.reject(candidate, str(invalid))
            batch.references |= [reference] if reference is not None else []
            continue
        known = batch.whole.setdefault(killmail.killmail_id, killmail)
        if known is killmail:
            batch.received[killmail.killmail_id] = candidate
        elif known.killmail_time == killmail.killmail_time:
            batch.report.already_there.append(killmail.killmail_id)
        else:
            batch.reject(candidate, f"killmail_time: the same id comes with {known.killmail_time:%FT%TZ} too")
    return batch


def _reject(candidate: KillmailBody, source: str, reason: str) -> Row:
    received = candidate.body if candidate.as_received is None else candidate.as_received
    body = _as_text(received)
    fingerprint = hashlib.sha256(storable(f"{source}\n{candidate.hash}\n{body}").encode()).hexdigest()
    return {
        "fingerprint": fingerprint,
        "killmail_id": candidate.killmail_id,
        "killmail_hash": candidate.hash,
        "source": source,
        "reason": reason,
        "body": body[:MAX_BODY_LENGTH],
    }


def _as_text(body: object) -> str:
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as broken:
        return f"a {type(body).__name__} that cannot be written as JSON: {type(broken).__name__}"


def _write(connection: Connection, batch: _Batch) -> None:
    report = batch.report
    if batch.whole:
        _reject_other_times(connection, batch)
    if batch.whole:
        killmails = [batch.whole[killmail_id] for killmail_id in sorted(batch.whole)]
        rows = _stage(connection, killmails, batch.source)
        stored = _insert_killmails(connection)
        report.attackers += _insert_children(connection, "new_attackers")
        report.items += _insert_children(connection, "new_items")
        report.stored += [killmail_id for killmail_id in sorted(batch.whole) if killmail_id in stored]
        report.already_there += [killmail_id for killmail_id in sorted(batch.whole) if killmail_id not in stored]
        if stored:
            mark_written(connection)
            lineage.record_mentions(connection, rows.mentioned)
    if batch.references and batch.source != ESI:
        unknown = set(batch.references) - known_killmails(connection, list(batch.references))
        lineage.request(connection, KILLMAIL, list(unknown), hashes=batch.references)
    if batch.rejects:
        again = {"rejected_at": sa.func.now()}
        insert = sa.dialects.postgresql.insert(tables.rejected_killmails)
        once = {reject["fingerprint"]: reject for reject in batch.rejects}
        connection.execute(
            insert.on_conflict_do_update(index_elements=["fingerprint"], set_=again),
            [once[fingerprint] for fingerprint in sorted(once)],
        )


def _reject_other_times(connection: Connection, batch: _Batch) -> None:
    """Reject bodies whose id is stored with another time.

    A hash does not vouch for the time: its formula is public, so anyone can make one that fits.
    """
    table = tables.killmails
    query = sa.select(table.c.killmail_id, table.c.killmail_time).where(
        tables.among(table.c.killmail_id, list(batch.whole))
    )
    for killmail_id, stored_time in connection.execute(query):
        time = stored_time.astimezone(UTC)
        if batch.whole[killmail_id].killmail_time != time:
            del batch.whole[killmail_id]
            batch.reject(batch.received[killmail_id], f"killmail_time: this id is stored with {time:%FT%TZ}")


def _stage(connection: Connection, killmails: Sequence[Killmail], source: str) -> KillmailRows:
    for name, table in STAGED.items():
        connection.exec_driver_sql(f"drop table if exists pg_temp.{name}")
        connection.exec_driver_sql(
            f"create temporary table {name} (like {table.fullname} including defaults) on commit drop"
        )
    rows = pack_killmails(killmails, source)
    for name, table in STAGED.items():
        rows.copy(connection, table.name, f"pg_temp.{name}")
    return rows


def _insert_killmails(connection: Connection) -> set[int]:
    names = COLUMNS["killmails"]
    inserted = connection.exec_driver_sql(
        f"insert into raw.killmails ({names}) select {names} from pg_temp.new_killmails order by killmail_id "
        "on conflict do nothing returning killmail_id"
    )
    stored = set(inserted.scalars())
    # Killmails that were already stored have their children and lineage: the next steps handle new ones only.
    connection.execute(
        sa.text("delete from pg_temp.new_killmails where not killmail_id = any(:stored)"), {"stored": list(stored)}
    )
    return stored


def _insert_children(connection: Connection, name: str) -> int:
    names = COLUMNS[STAGED[name].name]
    inserted = connection.exec_driver_sql(
        f"insert into {STAGED[name].fullname} ({names}) select {names} from pg_temp.{name} "
        "where killmail_id in (select killmail_id from pg_temp.new_killmails) on conflict do nothing"
    )
    return inserted.rowcount

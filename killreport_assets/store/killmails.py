"""The killmail writer: the bodies of every source go through `write_killmails`.

It checks bodies, stores them whole or keeps them as rejected, and records changed days and the entities that new
killmails mention and the dimension tables lack. Nothing here fetches or publishes.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy as sa
from psycopg import Cursor
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.text import storable
from killreport_assets.models.killmail import ContainedItem, InvalidKillmail, Item, Killmail, KillmailBody, check
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import mark_written
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import STAGED
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row

FILLED_BY_DEFAULT = {"stored_at"}
TYPE_NAMES = {
    sa.BigInteger: "int8",
    sa.Integer: "int4",
    sa.Double: "float8",
    sa.Text: "text",
    sa.Boolean: "bool",
    sa.DateTime: "timestamptz",
}


@dataclass
class WriteReport:
    """The result of a write: three lists of killmail ids, with each body in exactly one, and row counts.

    `rejected` pairs the id, None if it could not be read, with the reason.
    """

    stored: list[int] = field(default_factory=list)
    already_there: list[int] = field(default_factory=list)
    rejected: list[tuple[int | None, str]] = field(default_factory=list)
    attackers: int = 0
    items: int = 0

    def add(self, other: "WriteReport") -> None:
        """Add the result of another write."""
        self.stored += other.stored
        self.already_there += other.already_there
        self.rejected += other.rejected
        self.attackers += other.attackers
        self.items += other.items


def write_killmails(engine: Engine, bodies: Iterable[KillmailBody], source: str) -> WriteReport:
    """Check and store bodies in a transaction of their own; see `write_killmails_in`."""
    checked, report, rejects = _check_all(bodies, source)
    ensure_months(engine, {killmail.killmail_time for killmail, _ in checked})
    with engine.begin() as connection:
        _write(connection, checked, report, rejects, source)
    return report


def write_killmails_in(connection: Connection, bodies: Iterable[KillmailBody], source: str) -> WriteReport:
    """Check and store bodies in the caller's transaction.

    Killmails are immutable: one that is already stored is not changed. A rejected one is kept in
    `ops.rejected_killmails` and does not affect the others. The same transaction fills `ops.entity_pending` and
    `ops.enrichments` for the entities that new killmails mention and the dimension tables lack.
    """
    checked, report, rejects = _check_all(bodies, source)
    ensure_months(connection.engine, {killmail.killmail_time for killmail, _ in checked})
    _write(connection, checked, report, rejects, source)
    return report


Checked = tuple[Killmail, KillmailBody]


def _check_all(bodies: Iterable[KillmailBody], source: str) -> tuple[list[Checked], WriteReport, list[Row]]:
    report, rejects = WriteReport(), []
    checked: dict[int, Checked] = {}
    # Bodies with a hash go first, so that one without a hash never replaces them.
    for candidate in sorted(bodies, key=lambda candidate: candidate.hash is None):
        try:
            killmail = check(candidate)
        except InvalidKillmail as invalid:
            rejects.append(_reject(candidate, source, str(invalid)))
            report.rejected.append((rejects[-1]["killmail_id"], str(invalid)))
            continue
        known = checked.setdefault(killmail.killmail_id, (killmail, candidate))[0]
        if known is killmail:
            continue
        if known.killmail_time == killmail.killmail_time:
            report.already_there.append(killmail.killmail_id)
        else:
            reason = f"killmail_time: the same id comes with {known.killmail_time:%FT%TZ} too"
            rejects.append(_reject(candidate, source, reason))
            report.rejected.append((killmail.killmail_id, reason))
    return list(checked.values()), report, rejects


def _reject(candidate: KillmailBody, source: str, reason: str) -> Row:
    body, recorded_hash = storable(_as_text(candidate.body)), candidate.hash and storable(candidate.hash)
    claimed = candidate.body.get("killmail_id") if isinstance(candidate.body, dict) else None
    readable = isinstance(claimed, int) and not isinstance(claimed, bool) and 0 < claimed < 2**63
    fingerprint = hashlib.sha256(f"{source}\n{recorded_hash}\n{body}".encode()).hexdigest()
    return {
        "fingerprint": fingerprint,
        "killmail_id": claimed if readable else None,
        "killmail_hash": recorded_hash,
        "source": source,
        "reason": storable(reason),
        "body": body,
    }


def _as_text(body: object) -> str:
    if isinstance(body, str):
        return body
    try:
        return json.dumps(body, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as broken:
        return f"a {type(body).__name__} that cannot be written as JSON: {type(broken).__name__}"


def _write(
    connection: Connection,
    checked: list[Checked],
    report: WriteReport,
    rejects: list[Row],
    source: str,
) -> None:
    if checked:
        checked = _reject_other_times(connection, checked, report, rejects, source)
        killmails = sorted((killmail for killmail, _ in checked), key=lambda killmail: killmail.killmail_id)
        _stage(connection, killmails, source)
        stored = _insert_killmails(connection)
        report.attackers += _insert_children(connection, "new_attackers")
        report.items += _insert_children(connection, "new_items")
        report.stored += [k.killmail_id for k in killmails if k.killmail_id in stored]
        report.already_there += [k.killmail_id for k in killmails if k.killmail_id not in stored]
        if stored:
            mark_written(connection)
            lineage.record_mentions(connection)
    if rejects:
        again = {"rejected_at": sa.func.now()}
        insert = sa.dialects.postgresql.insert(tables.rejected_killmails)
        once = {reject["fingerprint"]: reject for reject in rejects}
        connection.execute(
            insert.on_conflict_do_update(index_elements=["fingerprint"], set_=again),
            [once[fingerprint] for fingerprint in sorted(once)],
        )


def _reject_other_times(
    connection: Connection, checked: list[Checked], report: WriteReport, rejects: list[Row], source: str
) -> list[Checked]:
    """Reject bodies without a hash whose id is stored with another time: their time cannot be verified."""
    without_hash = [killmail.killmail_id for killmail, candidate in checked if candidate.hash is None]
    if not without_hash:
        return checked
    table = tables.killmails
    query = sa.select(table.c.killmail_id, table.c.killmail_time).where(tables.among(table.c.killmail_id, without_hash))
    known: dict[int, datetime] = {row[0]: row[1].astimezone(UTC) for row in connection.execute(query)}
    accepted = []
    for killmail, candidate in checked:
        time = known.get(killmail.killmail_id)
        if candidate.hash is None and time is not None and time != killmail.killmail_time:
            reason = f"killmail_time: this id is stored with {time:%FT%TZ}, and there is no hash to vouch for another"
            rejects.append(_reject(candidate, source, reason))
            report.rejected.append((killmail.killmail_id, reason))
        else:
            accepted.append((killmail, candidate))
    return accepted


def _stage(connection: Connection, killmails: Sequence[Killmail], source: str) -> None:
    for name, table in STAGED.items():
        connection.exec_driver_sql(f"drop table if exists pg_temp.{name}")
        connection.exec_driver_sql(
            f"create temporary table {name} (like {table.fullname} including defaults) on commit drop"
        )
    cursor = cast("Cursor[Any]", connection.connection.cursor())
    _copy(cursor, "new_killmails", (_killmail_row(killmail, source) for killmail in killmails))
    _copy(cursor, "new_attackers", _attacker_rows(killmails))
    _copy(cursor, "new_items", _item_rows(killmails))


def _columns(name: str) -> list[sa.Column[Any]]:
    return [column for column in STAGED[name].columns if column.name not in FILLED_BY_DEFAULT]


def _copy(cursor: Cursor[Any], name: str, rows: Iterator[tuple[object, ...]]) -> None:
    columns = _columns(name)
    names = ", ".join(column.name for column in columns)
    with cursor.copy(f"copy pg_temp.{name} ({names}) from stdin (format binary)") as copy:
        copy.set_types([TYPE_NAMES[type(column.type)] for column in columns])
        for row in rows:
            copy.write_row(row)


def _killmail_row(killmail: Killmail, source: str) -> tuple[object, ...]:
    victim, position = killmail.victim, killmail.victim.position
    return (
        killmail.killmail_id,
        killmail.killmail_time,
        killmail.computed_hash(),
        killmail.solar_system_id,
        killmail.moon_id,
        killmail.war_id,
        victim.character_id,
        victim.corporation_id,
        victim.alliance_id,
        victim.faction_id,
        victim.ship_type_id,
        victim.damage_taken,
        *((position.x, position.y, position.z) if position else (None, None, None)),
        source,
    )


def _attacker_rows(killmails: Sequence[Killmail]) -> Iterator[tuple[object, ...]]:
    for killmail in killmails:
        for index, a in enumerate(killmail.attackers):
            yield (
                killmail.killmail_id,
                killmail.killmail_time,
                index,
                a.character_id,
                a.corporation_id,
                a.alliance_id,
                a.faction_id,
                a.ship_type_id,
                a.weapon_type_id,
                a.damage_done,
                a.final_blow,
                a.security_status,
            )


def _item_rows(killmails: Sequence[Killmail]) -> Iterator[tuple[object, ...]]:
    for killmail in killmails:
        for index, (parent, item) in enumerate(_flattened(killmail.victim.items or [])):
            yield (
                killmail.killmail_id,
                killmail.killmail_time,
                index,
                parent,
                item.item_type_id,
                item.flag,
                item.singleton,
                item.quantity_destroyed,
                item.quantity_dropped,
            )


def _flattened(items: list[Item]) -> Iterator[tuple[int | None, Item | ContainedItem]]:
    """Yield every item row with the index of its container, containers before their contents."""
    index = 0
    for item in items:
        yield None, item
        container = index
        index += 1
        for inside in item.items or ():
            yield container, inside
            index += 1


def _insert_killmails(connection: Connection) -> set[int]:
    names = ", ".join(column.name for column in _columns("new_killmails"))
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
    names = ", ".join(column.name for column in _columns(name))
    inserted = connection.exec_driver_sql(
        f"insert into {STAGED[name].fullname} ({names}) select {names} from pg_temp.{name} "
        "where killmail_id in (select killmail_id from pg_temp.new_killmails) on conflict do nothing"
    )
    return inserted.rowcount

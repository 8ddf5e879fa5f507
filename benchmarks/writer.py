"""The killmail writer beside a plain COPY of the same rows; every entity is known already."""

import time
from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.result import Result
from killreport_assets.models.killmail import Killmail, KillmailBody, check
from killreport_assets.sandbox.world import World
from killreport_assets.store import killmails
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import PLACES, STAGED
from killreport_assets.store.schema import tables

COPIES = 24
BATCH = 1_000
ID_STEP = 200_000_000


def measure(engine: Engine, reference: Engine) -> Iterator[Result]:
    """Store the genuine killmails, re-numbered many times, once by the writer and once by COPY."""
    bodies = list(_renumbered())
    checked = [check(body) for body in bodies]
    months = {killmail.killmail_time for killmail in checked}
    for database in (engine, reference):
        ensure_months(database, months)
    _fill_dimensions(engine, checked)
    copied = _time(lambda: _copy(reference, checked))
    written = _time(lambda: _write(engine, bodies))
    with engine.connect() as connection:
        stored = connection.execute(sa.text("select count(*) from raw.killmails")).scalar_one()
        pending = connection.execute(sa.text("select count(*) from ops.entity_pending")).scalar_one()
    assert (stored, pending) == (len(bodies), 0)
    rate = len(bodies) / written
    yield Result("plain COPY", len(bodies) / copied, "killmails/s")
    yield Result(
        "killmail writer, dimensions full",
        rate,
        "killmails/s",
        "plain COPY",
        rate * copied / len(bodies),
        "at least 1,500/s",
        rate >= 1_500,
    )
    again = len(bodies) / _time(lambda: _write(engine, bodies))
    yield Result("killmail writer, all known already", again, "killmails/s", "plain COPY", again * copied / len(bodies))


def _time(action) -> float:  # type: ignore[no-untyped-def]
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _renumbered() -> Iterator[KillmailBody]:
    # The hash does not cover the id, so a re-numbered killmail is as valid as the genuine one.
    for copy in range(1, COPIES + 1):
        for killmail in World().killmails.values():
            yield KillmailBody(killmail.body | {"killmail_id": killmail.id + copy * ID_STEP}, killmail.hash)


def _fill_dimensions(engine: Engine, checked: list[Killmail]) -> None:
    """Make every entity known, by way of what the writer finds unknown."""
    with engine.begin() as connection:
        killmails._stage(connection, checked[: len(checked) // COPIES], "everef")
        for kind, table in tables.DIMENSIONS.items():
            for place in PLACES[kind]:
                connection.exec_driver_sql(
                    f"insert into {table.fullname} ({kind.key}, source) "
                    f"select distinct {place.column}, 'esi' from pg_temp.{place.staged} "
                    f"where {place.column} is not null on conflict do nothing"
                )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("analyze")


def _write(engine: Engine, bodies: list[KillmailBody]) -> None:
    for start in range(0, len(bodies), BATCH):
        write_killmails(engine, bodies[start : start + BATCH], "everef")


def _copy(engine: Engine, checked: list[Killmail]) -> None:
    for start in range(0, len(checked), BATCH):
        copy_killmails(engine, checked[start : start + BATCH])


def copy_killmails(engine: Engine, batch: list[Killmail]) -> None:
    """Plain COPY of checked killmails into their tables, in one transaction; nothing else is done."""
    rows = (
        ("new_killmails", lambda batch: (killmails._killmail_row(killmail, "everef") for killmail in batch)),
        ("new_attackers", killmails._attacker_rows),
        ("new_items", killmails._item_rows),
    )
    with engine.begin() as connection:
        cursor = connection.connection.cursor()
        for name, make in rows:
            columns = ", ".join(column.name for column in killmails._columns(name))
            target = STAGED[name].fullname
            with cursor.copy(f"copy {target} ({columns}) from stdin (format binary)") as copy:
                copy.set_types([killmails.TYPE_NAMES[type(c.type)] for c in killmails._columns(name)])
                for row in make(batch):
                    copy.write_row(row)

"""The killmail writer beside a plain COPY of the same rows; every entity is known already."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.result import Result
from killreport_assets.models.killmail import Killmail, KillmailBody, check
from killreport_assets.sandbox.world import World
from killreport_assets.store import killmails
from killreport_assets.store.killmail_rows import pack_killmails
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import PLACES
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.killmails import KILLMAIL_TABLES

ROUNDS = 6
COPIES_A_ROUND = 8
BATCH = 1_000
ID_STEP = 50_000_000


def measure(engine: Engine, reference: Engine) -> Iterator[Result]:
    """Store the genuine killmails, re-numbered, by COPY, by the writer, and by the writer again; medians of the rounds.

    The three take turns, so that a slow minute of the machine is in all of them.
    """
    rounds = [list(_renumbered(number)) for number in range(ROUNDS)]
    checked = [[check(body) for body in bodies] for bodies in rounds]
    months = {killmail.killmail_time for killmail in checked[0]}
    for database in (engine, reference):
        ensure_months(database, months)
    _fill_dimensions(engine, checked[0])
    times = [
        (
            _time(partial(_copy, reference, killmails)),
            _time(partial(_write, engine, bodies)),
            _time(partial(_write, engine, bodies)),
        )
        for bodies, killmails in zip(rounds, checked, strict=True)
    ]
    with engine.connect() as connection:
        stored = connection.execute(sa.text("select count(*) from raw.killmails")).scalar_one()
        pending = connection.execute(sa.text("select count(*) from ops.entity_pending")).scalar_one()
    assert (stored, pending) == (sum(map(len, rounds)), 0)
    copied, written, again = (len(rounds[0]) / statistics.median(column) for column in zip(*times, strict=True))
    yield Result("plain COPY", copied, "killmails/s")
    yield Result(
        "killmail writer, dimensions full",
        written,
        "killmails/s",
        "plain COPY",
        written / copied,
        "at least 1,500/s",
        written >= 1_500,
    )
    yield Result("killmail writer, all known already", again, "killmails/s", "plain COPY", again / copied)


def _time(action: Callable[[], None]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _renumbered(round_number: int) -> Iterator[KillmailBody]:
    # The hash does not cover the id, so a re-numbered killmail is as valid as the genuine one.
    for copy in range(1 + round_number * COPIES_A_ROUND, 1 + (round_number + 1) * COPIES_A_ROUND):
        for killmail in World().killmails.values():
            yield KillmailBody(killmail.body | {"killmail_id": killmail.id + copy * ID_STEP}, killmail.hash)


def _fill_dimensions(engine: Engine, checked: list[Killmail]) -> None:
    """Make every entity known, by way of what the writer finds unknown."""
    with engine.begin() as connection:
        killmails._stage(connection, checked[: len(checked) // COPIES_A_ROUND], "everef")
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
    rows = pack_killmails(batch, "everef")
    with engine.begin() as connection:
        for table in KILLMAIL_TABLES[:3]:
            rows.copy(connection, table.name, table.fullname)

"""A history of a million killmails: the full anti-joins, and the incremental path beside them."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.result import Result
from benchmarks.writer import copy_killmails
from killreport_assets.models.ids import EntityKind
from killreport_assets.models.killmail import Killmail, KillmailBody
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.mentions import neither_known_nor_pending
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import PLACES
from killreport_assets.store.schema.tables import DIMENSIONS, KILLMAIL_TABLES
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing.databases import Databases

MADE, COPIES = 50_000, 20
NEWEST = 10_000
WANTED = {
    EntityKind.CHARACTER: 10.0,
    EntityKind.CORPORATION: 10.0,
    EntityKind.ALLIANCE: 10.0,
    EntityKind.TYPE: 30.0,
}
WANTED_INCREMENTAL = 1.0


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Loads the history, then looks for what was forgotten in it."""
    engine = stack.enter_context(databases.fresh())
    started = time.monotonic()
    _load(engine)
    yield Result("history of 1,000,000 killmails: loaded", time.monotonic() - started, "s")
    full: dict[str, float] = {}
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from raw.killmails")).scalar() == MADE * COPIES
        for kind, wanted in WANTED.items():
            started = time.monotonic()
            forgotten = neither_known_nor_pending(connection, kind)
            full[kind] = time.monotonic() - started
            assert forgotten.count == 1  # the one that was left out of the dimension
            yield Result(
                f"full anti-join, {kind}s",
                full[kind],
                "s",
                wanted=f"at most {wanted:.0f} s",
                met=full[kind] <= wanted,
            )
    pending = _write_newest(engine)
    broker = PgmqBroker(engine)
    started = time.monotonic()
    published = publish_pending(engine, broker)
    seconds = time.monotonic() - started
    assert published == pending > 0
    yield Result(
        f"incremental, the last 10,000 killmails ({pending:,} unknown)",
        seconds,
        "s",
        "the four full ones",
        seconds / sum(full.values()),
        f"at most {WANTED_INCREMENTAL:.0f} s",
        seconds <= WANTED_INCREMENTAL,
    )


def load_killmails(engine: Engine, copies: int = COPIES) -> None:
    """`MADE` killmails of ten years, and each so many times under other ids."""
    made = GeneratedKillmails(World(), seed=1, profile="history")
    first, last = datetime(2016, 1, 1, tzinfo=UTC), datetime(2025, 12, 31, tzinfo=UTC)
    step = (last - first) / MADE
    ensure_months(engine, {first + index * step for index in range(0, MADE, 100)} | {last})
    batch: list[Killmail] = []
    for index in range(MADE):
        batch.append(Killmail.model_validate(made.body(index, first + index * step)))
        if len(batch) == 1_000:
            copy_killmails(engine, batch)
            batch = []
    # The made population is a fixed one, so further killmails of the same pilots are as good as newly made ones.
    for table in KILLMAIL_TABLES[:3]:
        names = ", ".join(column.name for column in table.columns if column.name != "killmail_id")
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"insert into {table.fullname} (killmail_id, {names}) select killmail_id + n * 1000000, {names} "
                f"from {table.fullname}, generate_series(1, {copies - 1}) n"
            )


def know_everyone(engine: Engine, but_first: int = 0) -> None:
    """Make every entity of the stored killmails known, but for the first ones of each kind."""
    for kind, places in PLACES.items():
        ids = " union ".join(f"select distinct {place.column} as id from {place.table.fullname}" for place in places)
        with engine.begin() as connection:
            connection.exec_driver_sql(
                f"insert into {DIMENSIONS[kind].fullname} ({kind}_id, source, known_since) "
                f"select id, 'esi', '2003-05-06' from ({ids}) mentioned where id is not null "
                f"order by id offset {but_first} on conflict do nothing"
            )


def _load(engine: Engine) -> None:
    load_killmails(engine)
    know_everyone(engine, but_first=1)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")


def _write_newest(engine: Engine) -> int:
    """Store the newest killmails while one pilot in twenty is unknown; how many entities are pending then."""
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from raw.characters where mod(character_id, 20) = 0")
    made = GeneratedKillmails(World(), seed=2, profile="history")
    now = datetime.now(UTC)
    bodies = [KillmailBody(*made.killmail(900_000 + index, now)) for index in range(NEWEST)]
    for start in range(0, NEWEST, 1_000):
        write_killmails(engine, bodies[start : start + 1_000], "r2z2")
    with engine.connect() as connection:
        return int(connection.execute(sa.text("select count(*) from ops.entity_pending")).scalar_one())

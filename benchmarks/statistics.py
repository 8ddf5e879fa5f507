"""The dbt models over a generated million killmails: all of it, one more day, one late killmail, and reading them."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.history import load_killmails
from benchmarks.result import Result
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.schema import tables
from killreport_assets.transforms.project import DBT, PROJECT, build_arguments, dbt_environment
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import load_static

HOME = Path(tempfile.gettempdir()) / "killreport-bench"
DAY = 15_000
NEW_DAY, LATE_DAY = datetime(2026, 1, 10, tzinfo=UTC), datetime(2025, 5, 6, 12, tzinfo=UTC)
QUERIES = {
    "a character's numbers": "select * from marts.mart_character_all_time where character_id = {character}",
    "a corporation's months": "select * from marts.mart_corporation_monthly where corporation_id = {corporation}",
    "a leaderboard": "select * from marts.mart_leaderboards "
    "where entity_kind = 'character' and period = 'all' and metric = 'kills' order by rank",
    "a killmail": "select * from marts.fct_killmails where killmail_id = {killmail}",
}


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Two histories, one ten times the other."""
    small = stack.enter_context(databases.fresh())
    load(small, copies=2)
    build(small, is_nightly=True)
    reference = _one_more_day(small)
    yield Result("one more day of 15,000 killmails at 100,000, with its tests", reference, "s")
    large = stack.enter_context(databases.fresh())
    load(large, copies=20)
    seconds = build(large, is_nightly=True)
    yield Result(
        "full build of everything over 1,000,000 killmails, with all tests",
        seconds,
        "s",
        wanted="at most 1800 s",
        met=seconds <= 1800,
    )
    seconds = _one_more_day(large)
    is_met = seconds <= 90 and seconds <= 1.5 * reference
    yield Result(
        "one more day of 15,000 killmails at 1,000,000, with its tests",
        seconds,
        "s",
        "at 100,000",
        seconds / reference,
        "at most 90 s and 1.5 times",
        is_met,
    )
    _write(large, 1, LATE_DAY, first=800_000)
    seconds = build(large, is_nightly=False)
    yield Result(
        "one late killmail at 1,000,000, with its tests", seconds, "s", wanted="at most 45 s", met=seconds <= 45
    )
    yield from _reads(large)
    seconds = build(large, is_nightly=True)
    yield Result("the nightly models and every test, the night after", seconds, "s")


def load(engine: Engine, copies: int) -> None:
    """Generated killmails, 50,000 for each copy, with prices of every day."""
    world = World()
    with engine.begin() as connection:
        load_static(connection, world)
        upsert(connection, tables.types, [row | {"source": "sde"} for row in world.static["types"]])
        # A price of every type on every day: 34 averages are always there.
        connection.execute(
            sa.text("""
            insert into raw.market_history (region_id, type_id, date, average)
            select 10000002, type_id, cast(day as date), 1000 + mod(type_id * 7919 + extract(day from day), 997)
            from raw.types, generate_series(date '2015-11-01', date '2026-01-10', interval '1 day') day
            """)
        )
    load_killmails(engine, copies)
    with engine.begin() as connection:  # it bypasses the writer
        connection.execute(
            sa.text("""
            insert into ops.changed_days (killmail_date, changed_in)
            select distinct cast(killmail_time at time zone 'UTC' as date), 3 from raw.killmails
            """)
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")


def _one_more_day(engine: Engine) -> float:
    _write(engine, DAY, NEW_DAY, first=700_000)
    return build(engine, is_nightly=False)


def _write(engine: Engine, count: int, day: datetime, first: int) -> None:
    made = GeneratedKillmails(World(), seed=2, profile="history")
    step = timedelta(hours=23) / count
    bodies = [KillmailBody(*made.killmail(first + index, day + index * step)) for index in range(count)]
    for start in range(0, count, 1_000):
        write_killmails(engine, bodies[start : start + 1_000], "everef")


def build(engine: Engine, *, is_nightly: bool) -> float:
    """Seconds of one `dbt build`, its start included."""
    command = [str(DBT), *build_arguments(is_nightly=is_nightly), "--project-dir", str(PROJECT)]
    command += ["--profiles-dir", str(PROJECT)]
    started = time.monotonic()
    built = subprocess.run(
        command, env=os.environ | dbt_environment(engine.url, HOME), capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout[-5_000:]
    return time.monotonic() - started


def _reads(engine: Engine) -> Iterator[Result]:
    with engine.connect() as connection:
        ids = (
            connection.execute(
                sa.text("""
            select
                (select character_id from marts.mart_character_all_time order by kills desc limit 1) as character,
                (select corporation_id from marts.mart_corporation_all_time order by kills desc limit 1) as corporation,
                (select max(killmail_id) from marts.fct_killmails) as killmail
            """)
            )
            .mappings()
            .one()
        )
        for name, query in QUERIES.items():
            times = []
            for _ in range(5):
                started = time.monotonic()
                assert connection.execute(sa.text(query.format(**ids))).all()
                times.append((time.monotonic() - started) * 1000)
            yield Result(f"{name}, read from the marts", min(times), "ms", wanted="at most 50 ms", met=min(times) <= 50)

"""Finding battles among made killmails, half of them in battles, beside one aggregate over the same attackers."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.result import Result
from benchmarks.statistics import build
from killreport_assets.battles.refresh import refresh_battles
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.store.killmails import write_killmails
from killreport_assets.web import battles
from killreport_assets_testing.battles import MadeBattle
from killreport_assets_testing.databases import Databases

BATTLES, KILLMAILS_A_BATTLE = 120, 160
FIRST_SYSTEM = 30_000_001
START = datetime(2024, 1, 1, 12, tzinfo=UTC)
AGGREGATE = """
    select coalesce(alliance_id, corporation_id), count(*), sum(damage_done), count(distinct character_id)
    from raw.killmail_attackers group by 1
"""


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """All battles at first, then again after one late killmail."""
    engine = stack.enter_context(databases.fresh())
    late = _write(engine)
    reference = _seconds(lambda: _run(engine, AGGREGATE))
    [(killmails,)] = _run(engine, "select count(*) from raw.killmails")
    first = _seconds(lambda: refresh_battles(engine))
    [(found,)] = _run(engine, "select count(*) from derived.battles")
    yield Result(
        f"find {found:,} battles among {killmails:,} killmails",
        killmails / first,
        "killmails/s",
        "an aggregate over their attackers",
        reference / first,
    )
    write_killmails(engine, [late], "everef")
    again = _seconds(lambda: refresh_battles(engine))
    yield Result("find them again after one late killmail", again, "s", "finding all", again / first)
    build(engine, is_nightly=False)
    yield from _read_one(engine)


def _read_one(engine: Engine) -> Iterator[Result]:
    """All that the page of the largest battle reads."""
    with engine.connect() as connection:
        largest = sa.text("select battle_id from marts.mart_battles order by killmails desc, battle_id limit 1")
        battle_id = connection.execute(largest).scalar_one()
        times = []
        for _ in range(20):
            started = time.perf_counter()
            for read in (battles.battle, battles.sides, battles.timeline, battles.members, battles.items):
                read(connection, battle_id)
            times.append(1_000 * (time.perf_counter() - started))
    median = statistics.median(times)
    yield Result("the numbers of one battle's page", median, "ms", wanted="at most 50 ms", met=median <= 50)


def _write(engine: Engine) -> KillmailBody:
    """Write them but for one killmail in the middle of a battle, which is returned."""
    rng = random.Random(1)
    left = None
    next_id = 116_000_000
    for number in range(BATTLES):
        start = START + timedelta(hours=5 * number)
        made = MadeBattle(rng, FIRST_SYSTEM + number % 40, start, next_id, 200_000 * (number % 400))
        fleets = {side: made.fleet(side, 60, 3) for side in ("red", "blue")}
        made.fight(fleets, 60, KILLMAILS_A_BATTLE)
        for quiet in range(KILLMAILS_A_BATTLE):
            [victim] = made.fleet(f"quiet {quiet}", 1, 0)
            made.kill(victim, fleets["red"][:1], 7_200 + 100 * quiet, system_id=FIRST_SYSTEM + 50 + quiet % 40)
        next_id += len(made.bodies)
        bodies = list(made.bodies)
        if number == BATTLES // 2:
            left = bodies.pop(40)
        write_killmails(engine, bodies, "everef")
    assert left is not None
    return left


def _run(engine: Engine, query: str) -> list[tuple[int, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started

"""Battles in the database: the same in whatever order killmails come, with the ids that they had."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.battles.refresh import refresh_battles
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.store.battles import replace_stargates
from killreport_assets.store.killmails import write_killmails
from killreport_assets_testing.battles import MadeBattle

HERE, NEXT_DOOR = 30_002_813, 30_045_346
BEFORE_MIDNIGHT = datetime(2024, 3, 9, 23, 40, tzinfo=UTC)
GATES = [
    {"system_id": HERE, "destination_system_id": NEXT_DOOR},
    {"system_id": NEXT_DOOR, "destination_system_id": HERE},
]


def _fights(seed: int = 1) -> MadeBattle:
    """A fight across midnight, one next door with some of its pilots, and one of others a day later."""
    made = MadeBattle(random.Random(seed), start=BEFORE_MIDNIGHT)
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}
    made.fight(fleets, 40, 60)
    made.fight(fleets, 20, 30, system_id=NEXT_DOOR, since=50 * 60)
    others = {"green": made.fleet("green", 20, 1), "black": made.fleet("black", 20, 1)}
    made.fight(others, 20, 40, since=86_400)
    return made


def _write(engine: Engine, bodies: list[KillmailBody]) -> None:
    report = write_killmails(engine, bodies, "everef")
    assert not report.rejected, report.rejected[0]


def _tables(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    tables = ("battles", "battle_killmails", "battle_parties", "battle_sides")
    return {table: _rows(engine, f"select * from derived.{table} order by 1, 2, 3") for table in tables}


def _rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def _changed_days(engine: Engine) -> set[date]:
    """The days that battles marked: those without times."""
    return {row[0] for row in _rows(engine, "select killmail_date from ops.changed_days where earliest is null")}


def _find_all_again(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with engine.begin() as connection:
        for table in ("battle_sides", "battle_parties", "battle_killmails", "battles"):
            connection.execute(sa.text(f"delete from derived.{table}"))
        connection.execute(sa.text("delete from ops.transform_builds where cadence = 'battles'"))
    refresh_battles(engine)
    return _tables(engine)


def _with_gates(engine: Engine) -> None:
    with engine.begin() as connection:
        replace_stargates(connection, GATES)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_same_killmails_are_the_same_battles_in_whatever_order_they_come(engine: Engine, seed: int) -> None:
    _with_gates(engine)
    bodies = list(_fights(seed).bodies)
    random.Random(seed).shuffle(bodies)
    for start in range(0, len(bodies), 45):
        _write(engine, bodies[start : start + 45])
        refresh_battles(engine)
    found = _tables(engine)
    assert len(found["battles"]) == 2
    assert len(found["battle_killmails"]) == len(bodies)
    assert found == _find_all_again(engine)


def test_late_killmails_join_battles_and_former_ids_lead_to_them(engine: Engine) -> None:
    made = MadeBattle(random.Random(5), start=BEFORE_MIDNIGHT)
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}
    made.fight(fleets, 10, 40)
    made.fight(fleets, 10, 40, since=65 * 60)
    early, late = made.bodies[:], made.bodies[:0]
    made.fight(fleets, 60, 220, since=60)  # the fighting in between, of which nothing was known
    late = made.bodies[len(early) :]
    _write(engine, early)
    refresh_battles(engine)
    first, second = [row[0] for row in _tables(engine)["battles"]]
    _write(engine, late)
    report = refresh_battles(engine)
    [battle] = _tables(engine)["battles"]
    assert len(_tables(engine)["battle_killmails"]) == len(early) + len(late)
    assert report.ended == sorted({first, second} - {battle[0]})
    former = _rows(engine, "select former_battle_id, battle_id from derived.former_battles order by 1")
    assert former == [(id_, battle[0]) for id_ in report.ended]
    assert _changed_days(engine) == {BEFORE_MIDNIGHT.date(), BEFORE_MIDNIGHT.date() + timedelta(days=1)}


def test_an_earlier_killmail_gives_a_battle_its_id(engine: Engine) -> None:
    made = _fights()
    first = min(made.bodies, key=lambda body: (body.body["killmail_time"], body.body["killmail_id"]))
    _write(engine, [body for body in made.bodies if body is not first])
    refresh_battles(engine)
    before = {row[0] for row in _tables(engine)["battles"]}
    _write(engine, [first])
    report = refresh_battles(engine)
    now = {row[0] for row in _tables(engine)["battles"]}
    [gone] = before - now
    assert now - before == {first.body["killmail_id"]}
    assert report.ended == [gone]
    assert _rows(engine, "select former_battle_id, battle_id from derived.former_battles") == [
        (gone, first.body["killmail_id"])
    ]
    assert _tables(engine) == _find_all_again(engine)


def test_a_killmail_after_midnight_changes_the_day_on_which_its_battle_began(engine: Engine) -> None:
    made = MadeBattle(random.Random(7), start=BEFORE_MIDNIGHT)
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}
    made.fight(fleets, 40, 80)
    late = [body for body in made.bodies if body.body["killmail_time"] >= "2024-03-10"][:1]
    _write(engine, [body for body in made.bodies if body not in late])
    refresh_battles(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("delete from ops.changed_days"))
    _write(engine, late)
    report = refresh_battles(engine)
    assert (report.found, report.changed) == (1, 1)
    assert _changed_days(engine) == {BEFORE_MIDNIGHT.date()}


def test_nothing_is_written_where_nothing_changed(engine: Engine) -> None:
    made = _fights()
    _write(engine, list(made.bodies))
    refresh_battles(engine)
    with engine.begin() as connection:
        connection.execute(sa.text("delete from ops.changed_days"))
    [lonely] = made.fleet("lonely", 1)
    made.kill(lonely, made.fleet("hunter", 1), 3 * 86_400)
    _write(engine, made.bodies[-1:])
    report = refresh_battles(engine)
    assert (report.days, report.found, report.changed) == (1, 0, 0)
    assert refresh_battles(engine).days == 0
    assert not _changed_days(engine)


def test_new_stargates_let_battles_be_found_again(engine: Engine) -> None:
    made = MadeBattle(random.Random(6), start=BEFORE_MIDNIGHT)
    fleets = {"red": made.fleet("red", 60, 3), "blue": made.fleet("blue", 60, 3)}
    others = {"red ": made.fleet("red", 30, 1), "blue ": made.fleet("blue", 30, 1)}
    made.fight(fleets, 30, 80)
    made.fight({side: fleet[:10] for side, fleet in fleets.items()} | others, 20, 60, system_id=NEXT_DOOR, since=1_500)
    _write(engine, list(made.bodies))
    refresh_battles(engine)
    assert len(_tables(engine)["battles"]) == 2
    _with_gates(engine)
    refresh_battles(engine)
    assert len(_tables(engine)["battles"]) == 1
    with engine.begin() as connection:
        assert replace_stargates(connection, GATES) == 2
    assert refresh_battles(engine).days == 0, "the same stargates change nothing"

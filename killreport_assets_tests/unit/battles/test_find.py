"""Battles among made killmails with known sides, and among the genuine ones."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from killreport_assets.battles.find import Battle, Stargates, find
from killreport_assets.battles.rules import BattleRules
from killreport_assets_testing.battles import CAPSULE, MadeBattle, killmails_of, rightly_split
from killreport_assets_testing.genuine import bodies

HERE, NEXT_DOOR, FAR_AWAY = 30_002_813, 30_045_346, 30_000_142
GATES: Stargates = {HERE: frozenset({NEXT_DOOR}), NEXT_DOOR: frozenset({HERE})}
RIGHT = 0.98
SEEDS = range(8)


def _found(made: MadeBattle, gates: Stargates = GATES) -> list[Battle]:
    return find(killmails_of(made.bodies), gates)


def _only(made: MadeBattle, gates: Stargates = GATES) -> Battle:
    [battle] = _found(made, gates)
    return battle


def _is_right(made: MadeBattle, battle: Battle) -> bool:
    right, pilots = rightly_split(made, battle.sides.side_of)
    return right >= RIGHT * pilots


@pytest.mark.parametrize("seed", SEEDS)
def test_two_sides(seed: int) -> None:
    made = MadeBattle(random.Random(seed))
    fleets = {"red": made.fleet("red", 60, 4), "blue": made.fleet("blue", 45, 3)}
    made.fight(fleets, 40, 90, passers_by=made.bystanders(3))
    battle = _only(made)
    assert _is_right(made, battle)
    assert battle.battle_id == min((k.body["killmail_time"], k.body["killmail_id"]) for k in made.bodies)[1]
    assert len(battle.killmail_ids) == len(made.bodies)
    assert battle.sides.split_confidence > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_corporations_without_alliances(seed: int) -> None:
    made = MadeBattle(random.Random(seed))
    made.fight({"red": made.fleet("red", 50, 0, 9), "blue": made.fleet("blue", 50, 0, 9)}, 30, 90)
    assert _is_right(made, _only(made))


@pytest.mark.parametrize("seed", SEEDS)
def test_three_sides(seed: int) -> None:
    made = MadeBattle(random.Random(seed))
    made.fight({side: made.fleet(side, 40, 2) for side in ("red", "blue", "green")}, 40, 150)
    battle = _only(made)
    assert _is_right(made, battle)
    assert not battle.sides.third_parties


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_party_is_told_apart(seed: int) -> None:
    made = MadeBattle(random.Random(seed))
    fleets = {"red": made.fleet("red", 70, 3), "blue": made.fleet("blue", 70, 3)}
    third = {"third": made.fleet("third", 10, 1)}
    made.fight(fleets, 40, 120)
    made.fight(
        fleets | third, 20, 24, against={"red": ["third"], "blue": ["third"], "third": ["red", "blue"]}, since=600
    )
    battle = _only(made)
    assert _is_right(made, battle)
    assert len(battle.sides.third_parties) == 1
    assert {battle.sides.fighting_pilots[side] for side in battle.sides.third_parties} == {10}


def test_who_changes_sides_is_a_side_of_its_own() -> None:
    made = MadeBattle(random.Random(3))
    red, blue, both = made.fleet("red", 60, 3), made.fleet("blue", 60, 3), made.fleet("both", 20, 1)
    made.fight({"red": red + both, "blue": blue}, 20, 70)
    made.fight({"red": red, "blue": blue + both}, 20, 70, since=1_200)
    battle = _only(made)
    assert _is_right(made, battle)
    assert len(battle.sides.fighting_pilots) == 3


def test_who_shot_nobody_is_with_the_enemies_of_who_shot_it() -> None:
    made = MadeBattle(random.Random(4))
    red, blue, guests = made.fleet("red", 40, 2), made.fleet("blue", 40, 2), made.fleet("blue", 4, 0)
    made.fight({"red": red, "blue": blue}, 30, 80)
    for number, guest in enumerate(guests):
        made.kill(guest, red[:5], 300 + 60 * number)
    battle = _only(made)
    assert _is_right(made, battle)
    assert len(battle.sides.fighting_pilots) == 2


def test_a_structure_fights_for_its_owner() -> None:
    made = MadeBattle(random.Random(5))
    red, blue = made.fleet("red", 40, 1), made.fleet("blue", 40, 1)
    made.fight({"red": red, "blue": blue}, 30, 60)
    made.bodies[10].body["attackers"].append(
        {
            "corporation_id": red[0].corporation_id,
            "alliance_id": red[0].alliance_id,
            "damage_done": 40_000,
            "final_blow": False,
        }
    )
    assert _is_right(made, _only(made))


def test_a_stargate_apart_is_one_battle() -> None:
    made = MadeBattle(random.Random(6))
    fleets = {"red": made.fleet("red", 60, 3), "blue": made.fleet("blue", 60, 3)}
    others = {"red ": made.fleet("red", 30, 1), "blue ": made.fleet("blue", 30, 1)}
    made.fight(fleets, 30, 80)
    made.fight({side: fleet[:10] for side, fleet in fleets.items()} | others, 20, 60, system_id=NEXT_DOOR, since=1_500)
    made.kill(fleets["red"][0], fleets["blue"][:4], 3_300, system_id=NEXT_DOOR)  # ten minutes after the rest
    battle = _only(made)
    assert len(battle.killmail_ids) == len(made.bodies)
    assert len(_found(made, {})) == 2, "without the stargate a third of the smaller one's pilots must be on both"


def test_through_a_wormhole_is_one_battle_if_the_pilots_are_the_same() -> None:
    made = MadeBattle(random.Random(7))
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}
    made.fight(fleets, 20, 60)
    made.fight(fleets, 15, 40, system_id=FAR_AWAY, since=1_500)
    assert len(_only(made).killmail_ids) == len(made.bodies)


def test_fights_of_others_elsewhere_at_the_same_time_are_other_battles() -> None:
    made = MadeBattle(random.Random(8))
    made.fight({"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}, 20, 60)
    made.fight({"x": made.fleet("x", 30, 2), "y": made.fleet("y", 30, 2)}, 20, 60, system_id=NEXT_DOOR)
    assert len(_found(made)) == 2


def test_half_an_hour_of_quiet_ends_a_battle() -> None:
    made = MadeBattle(random.Random(9))
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 30, 2)}
    made.fight(fleets, 10, 60)
    made.fight(fleets, 10, 60, since=50 * 60)
    assert len(_found(made)) == 2
    joined = find(killmails_of(made.bodies), GATES, BattleRules(quiet_segments=24))
    assert len(joined) == 1


def test_two_thousand_pilots() -> None:
    made = MadeBattle(random.Random(10))
    made.fight({"red": made.fleet("red", 1_100, 25, 5), "blue": made.fleet("blue", 900, 25, 5)}, 240, 3_000)
    assert _is_right(made, _only(made))


def test_a_camp_of_eight_hours_is_no_battle() -> None:
    made = MadeBattle(random.Random(11))
    camp = made.fleet("camp", 12, 1)
    for number in range(90):
        at = number * 320.0
        for convoy in range(1 + 3 * (number % 9 == 0)):  # four at once: eight killmails in five minutes
            [traveller] = made.fleet(f"{number} {convoy}", 1, 1)
            made.kill(traveller, made.rng.sample(camp, 5), at + convoy)
            made.kill(traveller, made.rng.sample(camp, 2), at + convoy + 5, hull=CAPSULE)
    made.kill(camp[0], made.fleet("revenge", 1, 1), 5_000)
    assert not _found(made)


def test_npcs_and_bystanders_make_no_battle() -> None:
    made = MadeBattle(random.Random(12))
    for pilot in made.fleet("ratting", 30, 1):
        made.kill(pilot, [], made.rng.uniform(0, 600), npc=True)
    assert not _found(made)


def test_killmails_around_it_belong_to_it_if_its_pilots_are_on_them() -> None:
    made = MadeBattle(random.Random(13))
    red, blue = made.fleet("red", 40, 1), made.fleet("blue", 40, 1)
    made.fight({"red": red, "blue": blue}, 15, 80)
    inside = len(made.bodies)
    made.kill(red[0], blue[:3], -500)
    made.kill(blue[0], red[:3], 25 * 60)
    [stranger, hunter] = made.fleet("else", 2, 0)
    made.kill(stranger, [hunter], 25 * 60)
    made.kill(stranger, [hunter], 26 * 60, hull=CAPSULE)
    assert len(_only(made).killmail_ids) == inside + 2


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(seed: int, order: random.Random) -> None:
    made = MadeBattle(random.Random(seed))
    made.fight({side: made.fleet(side, 20, 2) for side in ("red", "blue")}, 20, 40)
    killmails = killmails_of(made.bodies)
    expected = find(killmails, GATES)
    order.shuffle(killmails)
    for killmail in killmails:
        order.shuffle(killmail.attackers)
    found = find(killmails, GATES)
    assert [battle.killmail_ids for battle in found] == [battle.killmail_ids for battle in expected]
    assert [battle.sides.side_of for battle in found] == [battle.sides.side_of for battle in expected]


def test_the_genuine_killmails_have_six_fights_of_two_sides() -> None:
    battles = {battle.battle_id: battle for battle in find(killmails_of(bodies()), {})}
    assert sorted(battles) == [20692780, 20720162, 39085995, 39087260, 43132759, 43512321]
    for battle in battles.values():
        fighting = [side for side, share in battle.sides.hostility_share.items() if share > 0]
        assert fighting == [1, 2], battle
        assert battle.sides.split_confidence > 0.99
    # Black Rise, 25 May 2014: six parties that never shot each other, against nine that all shot them.
    large = battles[39085995]
    assert sorted(large.sides.fighting_pilots.values()) == [0, 12, 24]

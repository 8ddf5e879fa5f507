"""Sides of made shots: which parties are joined, and that joining is worked out as it is defined."""

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.battles.rules import RULES
from killreport_assets.battles.sides import Matrix, Shot, _closeness, _joined, split


def _shots(*shots: tuple[int, int, float]) -> list[Shot]:
    return [Shot(attacker, victim, share, is_minor=False) for attacker, victim, share in shots]


def test_parties_that_shot_friends_of_each_others_victims_are_on_one_side() -> None:
    # 11 and 12 share no victim; but 3 shot both of their victims, 21 and 22, which therefore are one.
    shots = _shots((11, 21, 1.0), (12, 22, 1.0), *[(3, 21, 0.5), (3, 22, 0.5)] * 4, (21, 3, 1.0), (22, 3, 1.0))
    sides = split(shots, dict.fromkeys((3, 11, 12, 21, 22), 5)).side_of
    assert sides[11] == sides[12] == sides[3]
    assert sides[21] == sides[22] != sides[3]


def test_who_shot_each_other_more_than_what_they_have_in_common_are_apart() -> None:
    together = _shots((1, 3, 1.0), (2, 3, 1.0), (1, 2, 0.5))
    assert split(together, {1: 4, 2: 4, 3: 4}).side_of[1] == split(together, {1: 4, 2: 4, 3: 4}).side_of[2]
    apart = _shots((1, 3, 1.0), (2, 3, 1.0), (1, 2, 0.5), (2, 1, 0.5))
    assert split(apart, {1: 4, 2: 4, 3: 4}).side_of[1] != split(apart, {1: 4, 2: 4, 3: 4}).side_of[2]


@given(seed=st.integers(0, 100_000), size=st.integers(2, 9))
def test_joining_is_what_working_it_all_out_again_gives(seed: int, size: int) -> None:
    rng = random.Random(seed)
    hostility = np.array([[rng.choice([0, 0, 0, 1, 2, 5]) * (a != b) for b in range(size)] for a in range(size)], float)
    assert _joined(hostility, RULES) == _slowly_joined(hostility)


def _slowly_joined(hostility: Matrix) -> list[list[int]]:
    """The same without any shortcut: every closeness from the groups' own hostility, each time."""
    groups = [[one] for one in range(len(hostility))]
    while True:
        between = np.array([[hostility[np.ix_(a, b)].sum() * (a is not b) for b in groups] for a in groups])
        pairs = [
            (float(_closeness(between, first, RULES)[second]), -first, -second)
            for first in range(len(groups))
            for second in range(first + 1, len(groups))
        ]
        if not pairs or max(pairs)[0] <= 0:
            return groups
        _, first, second = max(pairs)
        groups[-first] += groups.pop(-second)

"""Who fought with whom: splits the parties of a battle into sides, by who shot whom. Pure: knows no database."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from killreport_assets.battles.rules import RULES, BattleRules

Matrix = npt.NDArray[np.float64]
ROUNDING = 1e-9
"""Less in common than this is nothing: sums of shares are rounded."""


@dataclass(frozen=True, slots=True)
class Shot:
    """A party shot at another on a killmail."""

    attacker: int
    victim: int
    share: float
    """Of the damage, 0 to 1."""
    is_minor: bool
    """Whether it did minor damage only."""


@dataclass(frozen=True)
class Split:
    """The sides of a battle."""

    side_of: dict[int, int]
    """By party: 1 for the side with the most pilots, 2 for the next, …"""
    confidence_of: dict[int, float | None]
    """By party: the share of its shooting, both ways, that was with other sides."""
    hostility_share: dict[int, float]
    """By side: the share of the shooting between sides that was by it or at it."""
    third_parties: frozenset[int]
    """Sides that fought little of it, beside two others."""
    split_confidence: float
    """The share of all shooting that was between sides."""
    fighting_pilots: dict[int, int]
    """By side: pilots of parties that shot at others, or that alone are enough for a side."""


def split(shots: Sequence[Shot], pilots: Mapping[int, int], rules: BattleRules = RULES) -> Split:
    """Split parties into sides; `pilots` has the number of pilots of every party.

    Parties that shot the same victims, or were shot by the same attackers, are joined, the strongest pair first, as
    long as that outweighs what they shot at each other. Each killmail counts 1, shared by damage. Parties that did
    minor damage only are added to the side that fought most with the side that they met.
    """
    parties = sorted(pilots)
    index = {party: position for position, party in enumerate(parties)}
    every = _hostility(shots, index)
    hostility = _hostility((shot for shot in shots if not shot.is_minor), index)
    shot_back = set(np.flatnonzero(hostility.sum(axis=1) > 0).tolist())
    seen = np.flatnonzero(hostility.sum(axis=0) + hostility.sum(axis=1) > 0)
    groups = [[int(seen[one]) for one in group] for group in _joined(hostility[np.ix_(seen, seen)], rules)]
    others = set(range(len(parties))) - set(seen.tolist())
    for one in sorted(others, key=lambda one: (-pilots[parties[one]], one)):
        group = _group_for(one, groups, every)
        if group is None:
            groups.append([one])
        else:
            group.append(one)

    def size(group: list[int]) -> tuple[int, int]:
        return -sum(pilots[parties[one]] for one in group), min(group)

    groups.sort(key=size)
    labels = np.empty(len(parties), dtype=int)
    for number, group in enumerate(groups, start=1):
        labels[group] = number
    between = _between(every, labels, len(groups))
    np.fill_diagonal(between, 0)
    total = float(between.sum())
    shares = (between.sum(axis=0) + between.sum(axis=1)) / total if total else np.zeros(len(groups))
    main = set(np.argsort(-shares, kind="stable")[:2].tolist())
    return Split(
        side_of={party: int(labels[one]) for party, one in index.items()},
        confidence_of=_confidences(every, labels, parties),
        fighting_pilots={
            number: sum(
                pilots[parties[one]] for one in group if one in shot_back or pilots[parties[one]] >= rules.side_pilots
            )
            for number, group in enumerate(groups, start=1)
        },
        hostility_share={side + 1: round(float(share), 6) for side, share in enumerate(shares)},
        third_parties=frozenset(
            side + 1 for side, share in enumerate(shares) if side not in main and share < rules.third_party_share
        ),
        split_confidence=round(total / float(every.sum()), 6) if total else 0.0,
    )


def _hostility(shots: Iterable[Shot], index: Mapping[int, int]) -> Matrix:
    """How much each party shot each other: a row is who shot, a column who was shot."""
    hostility = np.zeros((len(index), len(index)))
    for shot in shots:
        hostility[index[shot.attacker], index[shot.victim]] += shot.share
    return hostility


def _joined(hostility: Matrix, rules: BattleRules) -> list[list[int]]:
    """Groups of parties: the pair that has most in common is joined, until no pair has more in common than against."""
    size = len(hostility)
    groups: list[list[int]] = [[one] for one in range(size)]
    if size < 2:
        return groups
    hostility = hostility.copy()
    closeness = np.array([_closeness(hostility, one, rules) for one in range(size)])
    np.fill_diagonal(closeness, -np.inf)
    alive = list(range(size))
    while True:
        first, second = divmod(int(np.argmax(closeness)), size)
        if closeness[first, second] <= ROUNDING:
            return [groups[one] for one in alive]
        keep, drop = min(first, second), max(first, second)
        groups[keep] += groups[drop]
        alive.remove(drop)
        closeness -= _in_common(hostility, keep, rules) + _in_common(hostility, drop, rules)
        hostility[keep] += hostility[drop]
        hostility[:, keep] += hostility[:, drop]
        hostility[drop] = hostility[:, drop] = hostility[keep, keep] = 0
        closeness += _in_common(hostility, keep, rules)  # others shot the two, or were shot by them, as one from now on
        closeness[keep] = closeness[:, keep] = _closeness(hostility, keep, rules)
        closeness[keep, keep] = closeness[drop] = closeness[:, drop] = -np.inf


def _closeness(hostility: Matrix, one: int, rules: BattleRules) -> Matrix:
    """What one party has in common with each other, less what they shot at each other."""
    victims = np.minimum(hostility, hostility[one]).sum(axis=1)
    attackers = np.minimum(hostility.T, hostility[:, one]).sum(axis=1)
    against = hostility[one] + hostility[:, one]
    closeness: Matrix = victims + rules.common_attackers_weight * attackers - rules.hostility_weight * against
    return closeness


def _in_common(hostility: Matrix, one: int, rules: BattleRules) -> Matrix:
    """How much of the closeness of each pair is that both shot this party, or were shot by it."""
    as_victim, as_attacker = hostility[:, one], hostility[one]
    common: Matrix = np.minimum.outer(as_victim, as_victim) + rules.common_attackers_weight * np.minimum.outer(
        as_attacker, as_attacker
    )
    return common


def _group_for(one: int, groups: list[list[int]], hostility: Matrix) -> list[int] | None:
    """The group that fought most with the group that this party met most; None if that one fought no other."""
    met = [float(hostility[one, group].sum() + hostility[group, one].sum()) for group in groups]
    if not met or max(met) == 0:
        return None
    enemy = groups[int(np.argmax(met))]
    fought = [
        -1.0 if group is enemy else float(hostility[np.ix_(group, enemy)].sum() + hostility[np.ix_(enemy, group)].sum())
        for group in groups
    ]
    return groups[int(np.argmax(fought))] if max(fought) > 0 else None


def _confidences(hostility: Matrix, labels: npt.NDArray[np.int_], parties: list[int]) -> dict[int, float | None]:
    both = hostility + hostility.T
    across = labels[:, None] != labels[None, :]
    total = both.sum(axis=1)
    outside = np.where(across, both, 0).sum(axis=1)
    return {
        party: round(float(outside[one] / total[one]), 6) if total[one] > 0 else None
        for one, party in enumerate(parties)
    }


def _between(hostility: Matrix, labels: npt.NDArray[np.int_], sides: int) -> Matrix:
    """How much each side shot each other."""
    between = np.zeros((sides, sides))
    np.add.at(between, (labels[:, None] - 1, labels[None, :] - 1), hostility)
    return between

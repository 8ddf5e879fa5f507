"""Which killmails are one battle: bursts in a system, joined over systems, with the killmails around them. Pure."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import networkx as nx

from killreport_assets.battles.rules import RULES, BattleRules
from killreport_assets.battles.sides import Shot, Split, split

Stargates = Mapping[int, frozenset[int]]
"""By solar system: the systems that its stargates lead to."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Attacker:
    """An attacker of a killmail who is no NPC; pilot 0 is a structure."""

    party: int
    pilot: int
    damage_done: int
    final_blow: bool


@dataclass(slots=True)
class Killmail:
    """A killmail whose victim is no NPC, with those of its attackers who are none; pilot 0 is a structure."""

    killmail_id: int
    killmail_time: datetime
    solar_system_id: int
    party: int
    pilot: int
    attackers: list[Attacker] = field(default_factory=list)

    @property
    def place(self) -> tuple[datetime, int]:
        """Its place in the order of time."""
        return self.killmail_time, self.killmail_id

    def shares(self, rules: BattleRules) -> Iterator[tuple[Attacker, float, bool]]:
        """Each attacker with its share of the damage, and whether that is minor."""
        total = sum(attacker.damage_done for attacker in self.attackers)
        for attacker in self.attackers:
            share = attacker.damage_done / total if total > 0 else 1 / len(self.attackers)
            yield attacker, share, share < rules.minor_damage and not attacker.final_blow

    def fighting(self, rules: BattleRules) -> set[int]:
        """Its pilots, without those who did minor damage only."""
        pilots = {attacker.pilot for attacker, _, is_minor in self.shares(rules) if not is_minor}
        return (pilots | {self.pilot}) - {0}


@dataclass(frozen=True)
class Battle:
    """A battle: its killmails, in the order of their times, and its sides."""

    killmail_ids: tuple[int, ...]
    times: tuple[datetime, ...]
    sides: Split

    @property
    def battle_id(self) -> int:
        """The first killmail's id."""
        return self.killmail_ids[0]


@dataclass(frozen=True)
class _Burst:
    """Active segments of one system, with fewer than the quiet ones that end a battle between them."""

    system_id: int
    start: datetime
    end: datetime
    pilots: frozenset[int]


def find(killmails: Iterable[Killmail], stargates: Stargates, rules: BattleRules = RULES) -> list[Battle]:
    """Find the battles among killmails, in the order of their ids; the order of the killmails changes nothing."""
    by_system: dict[int, list[Killmail]] = defaultdict(list)
    for killmail in sorted(killmails, key=lambda one: one.place):
        if killmail.attackers:
            by_system[killmail.solar_system_id].append(killmail)
    bursts = [burst for system in sorted(by_system) for burst in _bursts(system, by_system[system], rules)]
    fights = [[bursts[one] for one in sorted(group)] for group in _joined(bursts, stargates, rules)]
    found = []
    for of_battle in _killmails_of(fights, by_system, stargates, rules):
        sides = _sides(of_battle, rules)
        if sum(pilots >= rules.side_pilots for pilots in sides.fighting_pilots.values()) >= 2:
            ids = tuple(killmail.killmail_id for killmail in of_battle)
            found.append(Battle(ids, tuple(killmail.killmail_time for killmail in of_battle), sides))
    return sorted(found, key=lambda battle: battle.battle_id)


def _sides(killmails: Sequence[Killmail], rules: BattleRules) -> Split:
    pilots: dict[int, set[int]] = defaultdict(set)
    shots = []
    for killmail in killmails:
        pilots[killmail.party].add(killmail.pilot)
        shares: dict[int, float] = defaultdict(float)
        is_major: dict[int, bool] = defaultdict(bool)
        for attacker, share, is_minor in killmail.shares(rules):
            pilots[attacker.party].add(attacker.pilot)
            shares[attacker.party] += share
            is_major[attacker.party] |= not is_minor
        shots += [
            Shot(party, killmail.party, share, not is_major[party])
            for party, share in sorted(shares.items())
            if party != killmail.party
        ]
    return split(shots, {party: len(those - {0}) for party, those in pilots.items()}, rules)


def _bursts(system_id: int, killmails: Sequence[Killmail], rules: BattleRules) -> Iterator[_Burst]:
    counts = Counter((killmail.killmail_time - EPOCH) // rules.segment for killmail in killmails)
    active = sorted(segment for segment, count in counts.items() if count >= rules.active_killmails)
    first = 0
    for position, segment in enumerate(active):
        is_last = position + 1 == len(active)
        # With as many quiet ones between them, the next active segment is one more away.
        if is_last or active[position + 1] - segment > rules.quiet_segments:
            start, end = EPOCH + active[first] * rules.segment, EPOCH + (segment + 1) * rules.segment
            within = _between(killmails, start, end)
            pilots = frozenset[int]().union(*(killmail.fighting(rules) for killmail in within))
            yield _Burst(system_id, start, end, pilots)
            first = position + 1


def _between(killmails: Sequence[Killmail], start: datetime, end: datetime) -> Sequence[Killmail]:
    """Those of killmails in the order of time that are from `start` to before `end`."""
    first = bisect_left(killmails, (start, 0), key=lambda killmail: killmail.place)
    last = bisect_left(killmails, (end, 0), key=lambda killmail: killmail.place)
    return killmails[first:last]


def _joined(bursts: Sequence[_Burst], stargates: Stargates, rules: BattleRules) -> list[set[int]]:
    """Numbers of the bursts that are one battle."""
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(range(len(bursts)))
    by_start = sorted(range(len(bursts)), key=lambda one: bursts[one].start)
    longest = max((burst.end - burst.start for burst in bursts), default=timedelta())
    for position, second in enumerate(by_start):
        for first in reversed(by_start[:position]):
            if bursts[second].start - bursts[first].start > longest + rules.joining_gap:
                break
            if _is_one(bursts[first], bursts[second], stargates, rules):
                graph.add_edge(first, second)
    return [set(group) for group in nx.connected_components(graph)]


def _is_one(first: _Burst, second: _Burst, stargates: Stargates, rules: BattleRules) -> bool:
    if second.start - first.end > rules.joining_gap or first.system_id == second.system_id:
        return False
    is_next_door = second.system_id in stargates.get(first.system_id, frozenset())
    wanted = rules.shared_pilots_next_door if is_next_door else rules.shared_pilots_elsewhere
    shared = len(first.pilots & second.pilots)
    return shared > 0 and shared >= wanted * min(len(first.pilots), len(second.pilots))


def _killmails_of(
    fights: Sequence[Sequence[_Burst]],
    by_system: Mapping[int, Sequence[Killmail]],
    stargates: Stargates,
    rules: BattleRules,
) -> Iterator[list[Killmail]]:
    """The killmails of each fight in the order of time: those within its bursts, and those around them with its pilots.

    One around several fights belongs to the one that most of its pilots fought in.
    """
    known: dict[int, Killmail] = {}
    within: dict[int, int] = {}
    around: dict[int, tuple[int, int]] = {}
    for number, fight in enumerate(fights):
        pilots = frozenset[int]().union(*(burst.pilots for burst in fight))
        for burst in fight:
            for system_id in {burst.system_id} | stargates.get(burst.system_id, frozenset()):
                near = _between(by_system.get(system_id, []), burst.start - rules.margin, burst.end + rules.margin)
                for killmail in near:
                    known[killmail.killmail_id] = killmail
                    if system_id == burst.system_id and burst.start <= killmail.killmail_time < burst.end:
                        within[killmail.killmail_id] = number
                    elif shared := len(killmail.fighting(rules) & pilots):
                        most, chosen = around.get(killmail.killmail_id, (0, number))
                        if shared > most:
                            most, chosen = shared, number
                        around[killmail.killmail_id] = (most, chosen)
    found: list[list[Killmail]] = [[] for _ in fights]
    for killmail_id, number in ({id_: number for id_, (_, number) in around.items()} | within).items():
        found[number].append(known[killmail_id])
    for killmails in found:
        yield sorted(killmails, key=lambda killmail: killmail.place)

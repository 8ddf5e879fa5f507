"""Which killmails are one battle: bursts in a system, joined over systems, with the killmails around them. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import networkx as nx
import pandas as pd

from killreport_assets.battles.rules import RULES, BattleRules
from killreport_assets.battles.sides import Split, split
from killreport_assets.store.schema.columns import Row

Stargates = Mapping[int, frozenset[int]]
"""By solar system: the systems that its stargates lead to."""


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
    """Active segments of one system, with less than the quiet ones that end a battle between them."""

    system_id: int
    start: datetime
    end: datetime
    pilots: frozenset[int]


class _Participants:
    """Who was on which killmail."""

    def __init__(self, killmails: pd.DataFrame, attackers: pd.DataFrame, rules: BattleRules) -> None:
        known = killmails.set_index("killmail_id")
        rows = attackers[attackers["killmail_id"].isin(known.index)]
        damage = rows.groupby("killmail_id")["damage_done"].transform("sum")
        count = rows.groupby("killmail_id")["damage_done"].transform("size")
        share = (rows["damage_done"] / damage).where(damage > 0, 1 / count)
        rows = rows.assign(share=share, victim=rows["killmail_id"].map(known["party"]))
        rows["is_minor"] = (rows["share"] < rules.minor_damage) & ~rows["final_blow"]
        self._rows = rows.rename(columns={"party": "attacker"}).set_index("killmail_id").sort_index()
        self._killmails = known
        victims = known[known["pilot"] > 0]["pilot"]
        self._fighting = _sets(pd.concat([victims, self._rows[~self._rows["is_minor"]]["pilot"]]))

    def fighting(self, killmail_id: int) -> frozenset[int]:
        """The pilots of a killmail, without those who did minor damage only."""
        return self._fighting.get(killmail_id, frozenset())

    def pilots(self, killmail_ids: Sequence[int]) -> pd.DataFrame:
        """Every pilot's party: columns `pilot` and `party`, a row for each time that one is seen."""
        victims = self._killmails.loc[list(killmail_ids), ["pilot", "party"]]
        attackers = self._rows.loc[self._of(killmail_ids), ["pilot", "attacker"]]
        return pd.concat([victims, attackers.rename(columns={"attacker": "party"})])

    def shots(self, killmail_ids: Sequence[int]) -> pd.DataFrame:
        """Who shot whom: see sides.split."""
        rows = self._rows.loc[self._of(killmail_ids)].reset_index()
        rows = rows[rows["attacker"] != rows["victim"]]
        summed = rows.groupby(["killmail_id", "attacker", "victim"], as_index=False).agg(
            share=("share", "sum"), is_minor=("is_minor", "all")
        )
        return summed[["attacker", "victim", "share", "is_minor"]]

    def _of(self, killmail_ids: Sequence[int]) -> pd.Index:
        return self._rows.index[self._rows.index.isin(killmail_ids)].unique()


def _sets(pilots: "pd.Series[int]") -> dict[int, frozenset[int]]:
    pilots = pilots[pilots > 0]
    return {int(id_): frozenset(map(int, group)) for id_, group in pilots.groupby(level=0)}


def find(
    killmail_rows: Sequence[Row], attacker_rows: Sequence[Row], stargates: Stargates, rules: BattleRules = RULES
) -> list[Battle]:
    """Find the battles among killmails, in the order of their ids.

    A killmail has `killmail_id`, `killmail_time`, `solar_system_id`, and the victim's `party` and `pilot`; an attacker
    has `killmail_id`, `party`, `pilot`, `damage_done` and `final_blow`. NPCs are not among them; 0 is no pilot.
    """
    if not killmail_rows or not attacker_rows:
        return []
    killmails, attackers = pd.DataFrame(killmail_rows), pd.DataFrame(attacker_rows)
    killmails["killmail_time"] = pd.to_datetime(killmails["killmail_time"], utc=True)
    killmails = killmails[killmails["killmail_id"].isin(attackers["killmail_id"])]
    killmails = killmails.sort_values(["killmail_time", "killmail_id"], ignore_index=True)
    participants = _Participants(killmails, attackers, rules)
    bursts = list(_bursts(killmails, participants, rules))
    fights = [[bursts[one] for one in sorted(group)] for group in _joined(bursts, stargates, rules)]
    found = []
    for ids in _killmails_of(fights, killmails, participants, stargates, rules):
        seen = participants.pilots(ids)
        parties = dict.fromkeys(sorted(set(map(int, seen["party"]))), 0)
        met = seen[seen["pilot"] > 0].drop_duplicates()
        parties |= {int(party): int(count) for party, count in met.groupby("party").size().items()}
        sides = split(participants.shots(ids), parties, rules)
        if sum(count >= rules.side_pilots for count in sides.fighting_pilots.values()) < 2:
            continue
        times = killmails.loc[killmails["killmail_id"].isin(ids), ["killmail_id", "killmail_time"]]
        found.append(
            Battle(
                tuple(map(int, times["killmail_id"])),
                tuple(time.to_pydatetime() for time in times["killmail_time"]),
                sides,
            )
        )
    return sorted(found, key=lambda battle: battle.battle_id)


def _bursts(killmails: pd.DataFrame, participants: _Participants, rules: BattleRules) -> Iterator[_Burst]:
    segment = pd.Timedelta(rules.segment)
    starts = killmails["killmail_time"].dt.floor(segment)
    counts = killmails.groupby([killmails["solar_system_id"], starts.rename("start")]).size()
    active = counts[counts >= rules.active_killmails].reset_index()
    # Segments that are not active lie between two active ones: one less than the segments from one to the other.
    gap = active.groupby("solar_system_id")["start"].diff() > segment * rules.quiet_segments
    active["burst"] = (gap | (active["solar_system_id"] != active["solar_system_id"].shift())).cumsum()
    for _, group in active.groupby("burst"):
        system_id, start, end = int(group["solar_system_id"].iloc[0]), group["start"].min(), group["start"].max()
        end += segment
        within = killmails["killmail_time"].between(start, end, inclusive="left")
        ids = killmails.loc[(killmails["solar_system_id"] == system_id) & within, "killmail_id"]
        pilots = frozenset().union(*(participants.fighting(int(id_)) for id_ in ids))
        yield _Burst(system_id, start.to_pydatetime(), end.to_pydatetime(), pilots)


def _joined(bursts: Sequence[_Burst], stargates: Stargates, rules: BattleRules) -> list[set[int]]:
    """Numbers of the bursts that are one battle."""
    graph = nx.Graph()
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
    killmails: pd.DataFrame,
    participants: _Participants,
    stargates: Stargates,
    rules: BattleRules,
) -> list[list[int]]:
    """The killmails of each fight: those within its bursts, and those around them that its pilots are on."""
    by_system = {int(system): group for system, group in killmails.groupby("solar_system_id")}
    wanting: dict[int, dict[int, int]] = {}
    """By killmail: for the fights that may have it, how many of its pilots are on it."""
    within: dict[int, int] = {}
    for number, fight in enumerate(fights):
        pilots = frozenset().union(*(burst.pilots for burst in fight))
        for burst in fight:
            for system_id in {burst.system_id} | stargates.get(burst.system_id, frozenset()):
                rows = by_system.get(system_id)
                if rows is None:
                    continue
                around = rows["killmail_time"].between(
                    burst.start - rules.margin, burst.end + rules.margin, inclusive="left"
                )
                is_within = rows["killmail_time"].between(burst.start, burst.end, inclusive="left")
                for id_, inside in zip(rows.loc[around, "killmail_id"], is_within[around], strict=True):
                    shared = len(participants.fighting(int(id_)) & pilots)
                    if inside and system_id == burst.system_id:
                        within[int(id_)] = number
                    elif shared:
                        wanting.setdefault(int(id_), {})[number] = shared
    around = {
        id_: max(candidates, key=lambda number, candidates=candidates: (candidates[number], -number))
        for id_, candidates in wanting.items()
    }
    found: list[list[int]] = [[] for _ in fights]
    for id_, number in (around | within).items():
        found[number].append(id_)
    return found

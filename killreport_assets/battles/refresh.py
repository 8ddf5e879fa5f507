"""Finding battles again where killmails came, in the database. What a battle is, is in find.py and sides.py."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.times import midnight
from killreport_assets.battles.find import Attacker, Battle, Killmail, Stargates, find
from killreport_assets.battles.rules import RULES, BattleRules
from killreport_assets.database.migrate import writing
from killreport_assets.store import battles as store
from killreport_assets.store.changed_days import current_snapshot
from killreport_assets.store.partitions import stored_months
from killreport_assets.store.schema.battles import BATTLE_TABLES
from killreport_assets.store.schema.columns import Row

ONE_DAY = timedelta(days=1)
DAYS_AT_ONCE = 31
KILLMAIL_COLUMNS = ("killmail_id", "killmail_time", "solar_system_id", "party", "pilot")
ATTACKER_COLUMNS = ("party", "pilot", "damage_done", "final_blow")


@dataclass
class BattlesReport:
    """What was found."""

    days: int = 0
    found: int = 0
    """Battles on those days."""
    changed: int = 0
    """Battles that were written: new ones, and those with other killmails or sides than before."""
    ended: list[int] = field(default_factory=list)
    """Ids that are no battle's any more."""


Progress = Callable[[date, date, BattlesReport], None]


def refresh_battles(engine: Engine, rules: BattleRules = RULES, on_span: Progress | None = None) -> BattlesReport:
    """Find battles on the days of killmails that came since the last time; the first time on all days, newest first.

    The same killmails give the same battles, in whatever order they came.
    """
    report = BattlesReport()
    with engine.connect() as connection:
        snapshot = current_snapshot(connection)
        days = store.days_with_new_killmails(connection)
        months = stored_months(connection) if days is None else []
        gates = store.stargates(connection)
    for first, last in _spans(days) if days is not None else map(_month, months):
        with writing(engine) as connection:
            _refresh(connection, first, last, gates, rules, report)
        if on_span is not None:
            on_span(first, last, report)
    with writing(engine) as connection:
        store.note_found(connection, snapshot)
    return report


def _month(first: date) -> tuple[date, date]:
    return first, (first + timedelta(days=31)).replace(day=1) - ONE_DAY


def _spans(days: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Consecutive days together, at most a month."""
    start = previous = None
    for day in days:
        if start is None or previous is None:
            start = day
        elif day - previous > ONE_DAY or day - start >= timedelta(days=DAYS_AT_ONCE):
            yield start, previous
            start = day
        previous = day
    if start is not None and previous is not None:
        yield start, previous


def _refresh(
    connection: Connection, first: date, last: date, gates: Stargates, rules: BattleRules, report: BattlesReport
) -> None:
    since, until = midnight(first), midnight(last + ONE_DAY)
    new, kinds, old = _Search(connection, gates, rules).between(since, until)
    rows = _rows(new, kinds)
    changed = _changed(rows, store.stored(connection, old))
    report.days += (last - first).days + 1
    report.found += sum(any(since <= at < until for at in battle.times) for battle in new)
    report.changed += sum(battle.battle_id in changed for battle in new)
    battle_of = {id_: battle.battle_id for battle in new for id_ in battle.killmail_ids}
    ended = sorted(old - {battle.battle_id for battle in new})
    report.ended += ended
    store.replace(
        connection,
        sorted(old & changed),
        {name: [row for row in some if row["battle_id"] in changed] for name, some in rows.items()},
        {battle_id: battle_of.get(battle_id) for battle_id in ended},
    )


class _Search:
    """Looks for battles in as much time as they turn out to need."""

    def __init__(self, connection: Connection, gates: Stargates, rules: BattleRules) -> None:
        self._connection, self._gates, self._rules = connection, gates, rules
        self._kinds: dict[int, str] = {}

    def between(self, since: datetime, until: datetime) -> tuple[list[Battle], dict[int, str], set[int]]:
        """The battles of this time, the kinds of parties, and the ids of known battles that they replace.

        Together they have the same killmails, but for new ones: no other battle shares one with them.
        """
        affected = store.known_between(self._connection, since, until)
        while True:
            known = store.known_with(self._connection, affected)
            times = [at for killmails in known.values() for at in killmails.values()]
            found = self._around(min([since, *times]), max([until, *times]))
            needed = affected.union(*known.values())
            new = [
                battle
                for battle in found
                if not needed.isdisjoint(battle.killmail_ids) or any(since <= at < until for at in battle.times)
            ]
            reached = needed.union(*(battle.killmail_ids for battle in new))
            if reached == affected:
                return new, self._kinds, set(known)
            affected = reached

    def _around(self, since: datetime, until: datetime) -> list[Battle]:
        """The battles that may have a killmail in this time: looks a day further, while one reaches the edge."""
        reach = self._rules.joining_gap + self._rules.margin
        lower, upper = since - ONE_DAY, until + ONE_DAY
        while True:
            found = [
                battle
                for battle in self._inside(lower, upper)
                if battle.times[-1] >= since - reach and battle.times[0] < until + reach
            ]
            is_cut_before = any(battle.times[0] - reach < lower for battle in found)
            is_cut_after = any(battle.times[-1] + reach >= upper for battle in found)
            if not is_cut_before and not is_cut_after:
                return found
            lower, upper = lower - ONE_DAY * is_cut_before, upper + ONE_DAY * is_cut_after

    def _inside(self, since: datetime, until: datetime) -> list[Battle]:
        rules = self._rules
        seconds = int(rules.segment.total_seconds())
        busy = store.busy_systems(self._connection, since, until, seconds, rules.active_killmails)
        reach = rules.margin + rules.segment * rules.quiet_segments
        places = _merged(
            {"system_id": system_id, "start": place["start"] - reach, "until": place["until"] + reach}
            for place in busy
            for system_id in {place["system_id"]} | self._gates.get(place["system_id"], frozenset())
        )
        killmails = store.killmails_of(self._connection, places) if places else []
        if not killmails:
            return []
        times = [row["killmail_time"] for row in killmails]
        ids = [row["killmail_id"] for row in killmails]
        attackers = store.attackers_of(self._connection, ids, min(times), max(times))
        self._kinds |= {row["party"]: row["party_kind"] for row in [*killmails, *attackers]}
        by_id = {row["killmail_id"]: Killmail(*(row[name] for name in KILLMAIL_COLUMNS)) for row in killmails}
        for row in attackers:
            by_id[row["killmail_id"]].attackers.append(Attacker(*(row[name] for name in ATTACKER_COLUMNS)))
        return find(by_id.values(), self._gates, rules)


def _merged(places: Iterable[Row]) -> list[Row]:
    """Times that overlap in a system as one."""
    merged: list[Row] = []
    for place in sorted(places, key=lambda place: (place["system_id"], place["start"])):
        if merged and merged[-1]["system_id"] == place["system_id"] and place["start"] <= merged[-1]["until"]:
            merged[-1]["until"] = max(merged[-1]["until"], place["until"])
        else:
            merged.append(place)
    return merged


def _rows(found: list[Battle], kinds: dict[int, str]) -> dict[str, list[Row]]:
    """The rows of battles, by table."""
    rows: dict[str, list[Row]] = {table.name: [] for table in BATTLE_TABLES}
    for battle in found:
        of_battle = {"battle_id": battle.battle_id}
        sides = battle.sides
        rows["battles"].append(
            of_battle
            | {
                "killmail_date": battle.times[0].astimezone(UTC).date(),
                "started_at": battle.times[0],
                "ended_at": battle.times[-1],
                "split_confidence": sides.split_confidence,
            }
        )
        rows["battle_killmails"] += [
            {"killmail_id": id_, "killmail_time": at} | of_battle
            for id_, at in zip(battle.killmail_ids, battle.times, strict=True)
        ]
        rows["battle_parties"] += [
            of_battle
            | {
                "party_id": party,
                "party_kind": kinds[party],
                "side": side,
                "confidence": sides.confidence_of[party],
            }
            for party, side in sides.side_of.items()
        ]
        rows["battle_sides"] += [
            of_battle | {"side": side, "hostility_share": share, "is_third_party": side in sides.third_parties}
            for side, share in sides.hostility_share.items()
        ]
    return rows


def _changed(rows: dict[str, list[Row]], before: dict[str, set[tuple[object, ...]]]) -> set[int]:
    """The ids of battles of which any row is new, other, or gone."""
    changed: set[int] = set()
    for table in BATTLE_TABLES:
        columns = [column.name for column in table.columns]
        now = {tuple(row[name] for name in columns) for row in rows[table.name]}
        changed |= {int(str(row[columns.index("battle_id")])) for row in now ^ before[table.name]}
    return changed

"""Marts by day, by list and by pilot against what Python counts in the genuine killmails, with nothing of dbt's."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa

from killreport_assets_testing.story import KILLMAILS, WORLD, Story

LAST_NPC_CHARACTER, LAST_NPC_CORPORATION = 3_999_999, 1_999_999
KINDS = ("corporation", "alliance", "system", "region")
TYPES = {row["type_id"]: row for row in WORLD.static["types"]}
Facts = dict[int, Mapping[str, Any]]


def _facts(story: Story) -> Facts:
    """What other tests hold of each killmail: where it was, its value, its labels."""
    columns = (
        "killmail_id, killmail_date, solar_system_id, region_id, total_value, is_hull_priced, is_npc_zkb, is_pvp_zkb, "
        "is_solo_zkb, is_ganked, victim_ship_group_id, solar_system_security_status"
    )
    names = [name.strip() for name in columns.split(",")]
    rows = story.warehouse.rows(f"select {columns} from marts.fct_killmails")
    return {row[0]: dict(zip(names, row, strict=True)) for row in rows}


def _parties(body: Mapping[str, Any]) -> list[dict[str, int]]:
    """The victim and the attackers, without absent ids, which old copies have as 0."""
    return [
        {name: id_ for name, id_ in party.items() if name.endswith("_id") and id_}
        for party in (body["victim"], *body["attackers"])
    ]


def _players(body: Mapping[str, Any]) -> list[dict[str, int]]:
    return [party for party in _parties(body) if party.get("character_id", 0) > LAST_NPC_CHARACTER]


def _entities(party: Mapping[str, int], fact: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    if party.get("corporation_id", 0) > LAST_NPC_CORPORATION:
        yield "corporation", party["corporation_id"]
    if "alliance_id" in party:
        yield "alliance", party["alliance_id"]
    yield "system", fact["solar_system_id"]
    if fact["region_id"] is not None:
        yield "region", fact["region_id"]


def test_active_pilots_are_distinct_over_every_span(story: Story) -> None:
    facts = _facts(story)
    seen: dict[tuple[str, int], dict[date, set[int]]] = defaultdict(lambda: defaultdict(set))
    for killmail in KILLMAILS:
        fact = facts[killmail.id]
        for party in _players(killmail.body) if not fact["is_npc_zkb"] else ():
            for entity in _entities(party, fact):
                seen[entity][fact["killmail_date"]].add(party["character_id"])
    expected = set()
    for (kind, id_), days in seen.items():
        for day in days:
            spans = (
                {pilot for other, pilots in days.items() if 0 <= (day - other).days < span for pilot in pilots}
                for span in (1, 7, 30, 90)
            )
            expected.add((day, kind, id_, *(len(pilots) for pilots in spans)))
    rows = story.warehouse.rows(
        "select killmail_date, entity_kind, entity_id, active_pilots, active_pilots_7_days, active_pilots_30_days, "
        "active_pilots_90_days from marts.mart_active_pilots"
    )
    assert set(rows) == expected
    assert len(rows) == len(expected)
    assert any(row[3] < row[4] < row[5] < row[6] for row in rows), "no entity of the sample grows over every span"


def test_threat_counts_the_days_before(story: Story) -> None:
    by_day: Counter[tuple[int, date]] = Counter()
    days = set()
    for fact in _facts(story).values():
        days.add((fact["solar_system_id"], fact["killmail_date"]))
        by_day[fact["solar_system_id"], fact["killmail_date"]] += bool(fact["is_pvp_zkb"])

    def within(system: int, day: date, span: int) -> int:
        return sum(n for (s, other), n in by_day.items() if s == system and 0 <= (day - other).days < span)

    rows = story.warehouse.rows(
        "select system_id, killmail_date, pvp_kills, pvp_kills_7_days, pvp_kills_90_days, threat "
        "from marts.mart_system_threat"
    )
    assert {(system, day) for system, day, *_ in rows} == days
    for system, day, *counts, threat in rows:
        assert counts == [within(system, day, span) for span in (1, 7, 90)]
        assert threat == next(
            name for name, least in (("critical", 50), ("high", 15), ("low", 1), ("none", 0)) if counts[2] >= least
        )
    assert {"high", "low"} <= {row[-1] for row in rows}


def test_a_regions_activity_is_compared_with_its_means(story: Story) -> None:
    kills: dict[int, Counter[date]] = defaultdict(Counter)
    isk: dict[tuple[int, date], Decimal] = defaultdict(Decimal)
    for fact in _facts(story).values():
        if fact["region_id"] is not None:
            kills[fact["region_id"]][fact["killmail_date"]] += 1
            isk[fact["region_id"], fact["killmail_date"]] += fact["total_value"]
    rows = story.warehouse.rows(
        "select region_id, killmail_date, kills, isk_destroyed, mean_kills_7_days, mean_kills_90_days, "
        "mean_isk_destroyed_30_days, ratio_to_mean, activity_level from marts.mart_region_activity"
    )
    assert len(rows) == sum(len(days) for days in kills.values())
    for region, day, count, value, week, quarter, month_isk, ratio, level in rows:
        means = {
            span: sum(n for other, n in kills[region].items() if 0 <= (day - other).days < span) / span
            for span in (7, 90)
        }
        assert (count, value) == (kills[region][day], isk[region, day])
        assert (week, quarter) == (pytest.approx(means[7]), pytest.approx(means[90]))
        month = sum(v for (r, other), v in isk.items() if r == region and 0 <= (day - other).days < 30)
        assert abs(month_isk - month / 30) < Decimal("0.01")
        assert ratio == pytest.approx(means[7] / means[90])
        names = (("war", 1.8), ("conflict", 1.4), ("elevated", 1.15), ("normal", 0.0))
        assert level == next(name for name, least in names if ratio >= least)


def _items(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for item in body["victim"].get("items", ()):
        yield item
        yield from item.get("items", ())


def test_the_war_economy_has_every_unit_and_every_isk(story: Story) -> None:
    facts = _facts(story)
    destroyed: Counter[tuple[date, int, int]] = Counter()
    dropped: Counter[tuple[date, int, int]] = Counter()
    for killmail in KILLMAILS:
        fact = facts[killmail.id]
        if fact["region_id"] is not None:
            place = (fact["killmail_date"], fact["region_id"])
            destroyed[*place, killmail.body["victim"]["ship_type_id"]] += 1
            for item in _items(killmail.body):
                destroyed[*place, item["item_type_id"]] += item.get("quantity_destroyed", 0)
                dropped[*place, item["item_type_id"]] += item.get("quantity_dropped", 0)
    rows = story.warehouse.rows(
        "select killmail_date, region_id, type_id, destroyed_units, dropped_units, destroyed_volume "
        "from marts.mart_war_economy"
    )
    found = {row[:3]: row[3:5] for row in rows}
    assert found == {key: (destroyed[key], dropped[key]) for key in {*destroyed, *dropped}}
    for *_, type_id, units, _, volume in rows:
        known = TYPES.get(type_id, {})
        each = known.get("packaged_volume") or known.get("volume")
        assert volume == (None if each is None else pytest.approx(units * each))
    [(value,)] = story.warehouse.rows("select sum(destroyed_value + dropped_value) from marts.mart_war_economy")
    assert value == sum(fact["total_value"] for fact in facts.values() if fact["region_id"] is not None) > 0


def test_weapons_are_those_on_the_killmails(story: Story) -> None:
    expected: dict[tuple[date, int, int, int], list[tuple[int, int, bool]]] = defaultdict(list)
    for killmail in KILLMAILS:
        for attacker in killmail.body["attackers"]:
            pilot, ship, weapon = (attacker.get(f"{name}_id") for name in ("character", "ship_type", "weapon_type"))
            if (pilot or 0) > LAST_NPC_CHARACTER and ship and weapon:
                attack = (killmail.id, attacker["damage_done"], attacker["final_blow"])
                expected[killmail.day.replace(day=1), pilot, ship, weapon].append(attack)
    rows = story.warehouse.rows(
        "select month, entity_id, ship_type_id, weapon_type_id, kills, attacks, final_blows, damage_done, "
        "attacks_without_damage from marts.mart_weapons_used where entity_kind = 'character'"
    )
    assert {row[:4]: row[4:] for row in rows} == {
        key: (
            len({id_ for id_, _, _ in attacks}),
            len(attacks),
            sum(final for *_, final in attacks),
            sum(damage for _, damage, _ in attacks),
            sum(damage == 0 for _, damage, _ in attacks),
        )
        for key, attacks in expected.items()
    }


def test_memberships_are_unbroken_runs(story: Story) -> None:
    seen: dict[int, dict[tuple[datetime, int], tuple[int, int | None]]] = defaultdict(dict)
    for killmail in KILLMAILS:
        at = datetime.fromisoformat(killmail.body["killmail_time"])
        for party in _players(killmail.body):
            if "corporation_id" in party:
                membership = (party["corporation_id"], party.get("alliance_id"))
                seen[party["character_id"]][at, killmail.id] = membership
    expected = set()
    for pilot, killmails in seen.items():
        runs: list[list[Any]] = []
        for (at, _), membership in sorted(killmails.items()):
            if not runs or runs[-1][0] != membership:
                runs.append([membership, at, at, 0])
            runs[-1][2] = at
            runs[-1][3] += 1
        expected |= {(pilot, n, *m, first, last, count) for n, (m, first, last, count) in enumerate(runs, 1)}
    rows = story.warehouse.rows(
        "select character_id, run_number, corporation_id, alliance_id, first_seen_at, last_seen_at, killmails "
        "from marts.fct_memberships"
    )
    assert set(rows) == expected
    assert max(row[1] for row in rows) > 1, "no pilot of the sample has changed corporation"


def test_factional_warfare_is_zkillboards(story: Story) -> None:
    opposed = {500_001: 500_004, 500_004: 500_001, 500_002: 500_003, 500_003: 500_002}
    expected: Counter[tuple[date, int, int, int]] = Counter()
    labelled = 0
    for killmail in KILLMAILS:
        victim, *attackers = _parties(killmail.body)
        winner = opposed.get(victim.get("faction_id", 0))
        factions = {attacker.get("faction_id") for attacker in attackers}
        is_fought = winner in factions and (winner in (500_001, 500_004) or not {500_001, 500_004} <= factions)
        if is_fought and winner is not None:
            key = (killmail.day, killmail.body["solar_system_id"], winner, victim["faction_id"])
            expected[key] += 1
        labels = (killmail.zkb or {}).get("labels")
        if labels is not None:
            assert is_fought == any(label in {"fw:calgal", "fw:amamin"} for label in labels)
            labelled += is_fought
    rows = story.warehouse.rows(
        "select killmail_date, solar_system_id, winner_faction_id, loser_faction_id, killmails_fw_zkb "
        "from marts.mart_faction_warfare"
    )
    assert {row[:4]: row[4] for row in rows} == expected
    assert expected


@pytest.mark.parametrize(
    ("kill_list", "is_on"),
    [
        ("all", lambda fact: bool(fact)),
        ("evekill:frigates", lambda fact: fact["victim_ship_group_id"] in {25, 324, 830, 831, 834, 893, 1283, 1527}),
        (
            "evekill:nullsec",
            lambda fact: (fact["region_id"] or 11_000_000) < 11_000_000 and fact["solar_system_security_status"] <= 0,
        ),
        ("evekill:big", lambda fact: fact["total_value"] >= 10**9),
        ("zkb:solo", lambda fact: fact["is_solo_zkb"]),
        ("zkb:isk:1b+", lambda fact: 10**9 <= fact["total_value"] < 5 * 10**9),
    ],
)
def test_lists_have_the_most_valuable_of_a_day_and_of_a_week(story: Story, kill_list: str, is_on: Any) -> None:
    for relation, column in (("mart_list_losses", "killmail_date"), ("fct_weekly_list_losses", "week")):
        spans: dict[date, list[tuple[Decimal, int]]] = defaultdict(list)
        for fact in _facts(story).values():
            if is_on(fact):
                day = fact["killmail_date"]
                span = day - timedelta(days=day.weekday()) if column == "week" else day
                spans[span].append((-fact["total_value"], fact["killmail_id"]))
        rows = story.warehouse.rows(
            f"select {column}, rank, killmail_id from marts.{relation} where kill_list = '{kill_list}'"
        )
        assert set(rows) == {
            (span, rank, killmail_id)
            for span, losses in spans.items()
            for rank, (_, killmail_id) in enumerate(sorted(losses)[:10], 1)
        }
        assert rows


def test_a_regions_list_is_of_that_region(story: Story) -> None:
    best: dict[tuple[date, int], list[tuple[Decimal, int]]] = defaultdict(list)
    for fact in _facts(story).values():
        if fact["region_id"] is not None:
            best[fact["killmail_date"], fact["region_id"]].append((-fact["total_value"], fact["killmail_id"]))
    rows = story.warehouse.rows(
        "select killmail_date, region_id, rank, killmail_id from marts.mart_list_losses where kill_list = 'region'"
    )
    assert set(rows) == {
        (*key, rank, id_) for key, losses in best.items() for rank, (_, id_) in enumerate(sorted(losses)[:10], 1)
    }


def test_hulls_have_the_roles_of_their_modules(story: Story) -> None:
    racks = [*range(11, 35), *range(92, 100), *range(125, 133)]
    fitted: Counter[int] = Counter()
    tackling: Counter[int] = Counter()
    lost = {id_ for (id_,) in story.warehouse.rows("select killmail_id from marts.fct_killmail_fits")}
    for killmail in KILLMAILS:
        if killmail.id not in lost:
            continue
        hull = killmail.body["victim"]["ship_type_id"]
        groups = {
            TYPES.get(item["item_type_id"], {}).get("group_id")
            for item in killmail.body["victim"].get("items", ())
            if item["flag"] in racks
        }
        fitted[hull] += 1
        tackling[hull] += not groups.isdisjoint({52, 65})
    rows = story.warehouse.rows(
        "select ship_type_id, losses_with_modules, fitted_losses, share_of_losses from marts.mart_ship_roles "
        "where role = 'tackle'"
    )
    assert {row[0]: row[1:3] for row in rows} == {
        hull: (losses, fitted[hull]) for hull, losses in tackling.items() if losses
    }
    assert all(share == pytest.approx(with_modules / losses) for _, with_modules, losses, share in rows)


def test_a_campaigns_losses_are_those_in_its_system_while_it_was_fought(story: Story) -> None:
    engine, values = story.warehouse.engine, _facts(story)
    losses = [k for k in KILLMAILS if k.body["victim"].get("alliance_id")]
    system, defender = Counter(
        (k.body["solar_system_id"], k.body["victim"]["alliance_id"]) for k in losses
    ).most_common(1)[0][0]
    there = sorted((k for k in KILLMAILS if k.body["solar_system_id"] == system), key=lambda k: k.body["killmail_time"])
    start, end = there[0].body["killmail_time"], there[-2].body["killmail_time"]
    fought = [k for k in there if start <= k.body["killmail_time"] <= end]
    lost = [k for k in fought if k.body["victim"].get("alliance_id") == defender]
    assert len(there) > len(fought) >= len(lost) > 0
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
            insert into raw.sovereignty_campaigns values
                (5, 'ihub_defense', :system, 20000020, 1, :start, :defender, 0.4, 0.6, now(), :end)
            """),
            {"system": system, "start": start, "end": end, "defender": defender},
        )
    try:
        [row] = story.warehouse.rows(
            "select killmails, defender_losses, other_losses, defender_isk_lost, other_isk_lost, unpriced_losses, "
            "defender_name from marts.fct_sovereignty_campaigns"
        )
    finally:
        with engine.begin() as connection:
            connection.exec_driver_sql("delete from raw.sovereignty_campaigns")
    isk = [sum(values[k.id]["total_value"] for k in some) for some in (lost, [k for k in fought if k not in lost])]
    assert row == (
        len(fought),
        len(lost),
        len(fought) - len(lost),
        *isk,
        sum(not values[k.id]["is_hull_priced"] for k in fought),
        f"alliance {defender}",
    )

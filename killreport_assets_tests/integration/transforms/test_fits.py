"""Fits, families, doctrines and matchups of the genuine killmails, against what Python counts in their bodies."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from typing import Any

from killreport_assets.sandbox.world import GenuineKillmail
from killreport_assets_testing.story import KILLMAILS, WORLD, Story

TYPES, GROUPS = WORLD.by_id("types"), WORLD.by_id("groups")
SHIP, CHARGE = 6, 8
RACKS = {
    **dict.fromkeys(range(27, 35), "high"),
    **dict.fromkeys(range(19, 27), "mid"),
    **dict.fromkeys(range(11, 19), "low"),
    **dict.fromkeys(range(92, 100), "rig"),
    **dict.fromkeys(range(125, 133), "subsystem"),
}
Modules = frozenset[tuple[str, int, int]]


def _category(type_id: int) -> int | None:
    group_id: int = TYPES.get(type_id, {}).get("group_id", 0)
    category: int | None = GROUPS.get(group_id, {}).get("category_id")
    return category


def _modules(killmail: GenuineKillmail) -> list[tuple[str, int, int]]:
    """Rack, type and units of each item row that is a fitted module."""
    return [
        (
            RACKS[item["flag"]],
            item["item_type_id"],
            item.get("quantity_destroyed", 0) + item.get("quantity_dropped", 0),
        )
        for item in killmail.body["victim"].get("items", [])
        if item["flag"] in RACKS and _category(item["item_type_id"]) != CHARGE
    ]


def _summed(modules: Iterable[tuple[str, int, int]]) -> Modules:
    units = Counter[tuple[str, int]]()
    for rack, type_id, count in modules:
        units[rack, type_id] += count
    return frozenset((*place, count) for place, count in units.items())


def _base(type_id: int) -> int:
    return int(TYPES.get(type_id, {}).get("variation_parent_type_id") or type_id)


HULLS = {
    k.id: k.body["victim"]["ship_type_id"] for k in KILLMAILS if _category(k.body["victim"]["ship_type_id"]) == SHIP
}
FITS = {k.id: (HULLS[k.id], _summed(modules)) for k in KILLMAILS if k.id in HULLS and (modules := _modules(k))}
FAMILIES = {
    killmail_id: (hull, _summed((rack, _base(type_id), units) for rack, type_id, units in modules))
    for killmail_id, (hull, modules) in FITS.items()
}


def _classes(ids: dict[int, Any]) -> set[frozenset[int]]:
    """Killmails that have the same value."""
    grouped = defaultdict[Hashable, set[int]](set)
    for killmail_id, value in ids.items():
        grouped[value].add(killmail_id)
    return {frozenset(group) for group in grouped.values()}


def test_the_same_modules_on_the_same_hull_are_the_same_fit(story: Story) -> None:
    rows = story.warehouse.rows("select killmail_id, fit_id, family_id, ship_type_id from marts.fct_killmail_fits")
    assert {row[0]: row[3] for row in rows} == {killmail_id: hull for killmail_id, (hull, _) in FITS.items()}
    fits, families = _classes({row[0]: row[1] for row in rows}), _classes({row[0]: row[2] for row in rows})
    assert fits == _classes(FITS)
    assert families == _classes(FAMILIES)
    assert len(rows) > len(fits) > len(families) > 100  # some fits were lost twice, and some families have variants


def test_a_fit_has_its_losses_and_its_modules(story: Story) -> None:
    fits = story.warehouse.rows(
        "select fit_id, losses, first_killmail_id, last_killmail_id, pilots from marts.mart_fits"
    )
    by_class = {(min(ids), max(ids)): ids for ids in _classes(FITS)}
    assert {(first, last): losses for _, losses, first, last, _ in fits} == {
        span: len(ids) for span, ids in by_class.items()
    }
    pilots = {k.id: k.body["victim"].get("character_id") for k in KILLMAILS}
    assert {(row[2], row[3]): row[4] for row in fits} == {
        span: len({pilots[id_] for id_ in ids} - {None}) for span, ids in by_class.items()
    }
    shown = defaultdict[str, set[tuple[str, int, int]]](set)
    for fit_id, rack, type_id, units, name in story.warehouse.rows(
        "select fit_id, rack, module_type_id, units, module_type_name from marts.mart_fit_modules"
    ):
        shown[fit_id].add((rack, type_id, units))
        assert name == TYPES[type_id]["name"]
    assert dict(shown) == {fit_id: set(FITS[first][1]) for fit_id, _, first, _, _ in fits}


def test_a_fit_is_worth_the_mean_of_its_losses_by_every_method(story: Story) -> None:
    different = story.warehouse.rows("""
        select f.fit_id from marts.mart_fits f join marts.fct_killmail_fits k using (fit_id)
        join marts.fct_killmail_values_by_method v using (killmail_id)
        group by f.fit_id, v.price_method, f.average_zkb_trimmed, f.average_forge_average, f.average_esi_average
        having round(avg(v.fitted_value), 2) <> case v.price_method when 'zkb_trimmed' then f.average_zkb_trimmed
            when 'forge_average' then f.average_forge_average else f.average_esi_average end
    """)
    assert different == []
    assert story.warehouse.rows("select count(*) from marts.mart_fits where average_zkb_trimmed > 1000000")[0][0] > 50


def test_a_family_has_its_fits_and_the_most_lost_one_is_typical(story: Story) -> None:
    rows = story.warehouse.rows("select family_id, typical_fit_id, fits, losses from marts.mart_fit_families")
    fit_of = dict(story.warehouse.rows("select killmail_id, fit_id from marts.fct_killmail_fits"))
    for ids in _classes(FAMILIES):
        counted = Counter(fit_of[id_] for id_ in ids)
        typical = min(counted, key=lambda fit_id: (-counted[fit_id], fit_id))
        assert any(row[1:] == (typical, len(counted), len(ids)) for row in rows)
    assert len(rows) == len(_classes(FAMILIES))


def test_what_an_entity_loses_often_in_a_month_is_a_doctrine(story: Story) -> None:
    assert story.warehouse.rows("select count(*) from marts.mart_doctrines where losses < 5") == [(0,)]
    try:
        story.warehouse.dbt("run", "--select", "mart_doctrines", "--full-refresh", "--vars", "{doctrine_losses: 2}")
        rows = story.warehouse.rows("select month, entity_kind, entity_id, losses from marts.mart_doctrines")
    finally:
        story.warehouse.dbt("run", "--select", "mart_doctrines", "--full-refresh")
    counted = Counter[Any]()
    for killmail in KILLMAILS:
        victim = killmail.body["victim"]
        if killmail.id in FITS:
            month = killmail.day.replace(day=1)
            if victim.get("corporation_id", 0) > 1_999_999:
                counted[month, "corporation", victim["corporation_id"], FAMILIES[killmail.id]] += 1
            if "alliance_id" in victim:
                counted[month, "alliance", victim["alliance_id"], FAMILIES[killmail.id]] += 1
    wanted = sorted((*key[:3], losses) for key, losses in counted.items() if losses >= 2)
    assert sorted(rows) == wanted
    assert len(wanted) > 2


def test_two_hulls_are_compared_by_their_duels(story: Story) -> None:
    assert story.warehouse.rows("select count(*) from marts.mart_matchups where duels < 10") == [(0,)]
    variables = "{matchup_days: 10000, matchup_duels: 1}"
    try:
        story.warehouse.dbt("run", "--select", "mart_matchups", "--full-refresh", "--vars", variables)
        rows = story.warehouse.rows(
            "select ship_type_id, opponent_ship_type_id, duels, wins, win_share from marts.mart_matchups"
        )
    finally:
        story.warehouse.dbt("run", "--select", "mart_matchups", "--full-refresh")
    solo = {
        id_ for (id_,) in story.warehouse.rows("select killmail_id from raw.zkillboard_values where solo and not npc")
    }
    duels = Counter[tuple[int, int]]()
    for killmail in KILLMAILS:
        blow = next(attacker for attacker in killmail.body["attackers"] if attacker["final_blow"])
        if killmail.id in solo and "ship_type_id" in blow:
            duels[blow["ship_type_id"], killmail.body["victim"]["ship_type_id"]] += 1
    found = {(row[0], row[1]): row[2:] for row in rows}
    for (winner, loser), wins in duels.items():
        if winner != loser:
            total = wins + duels[loser, winner]
            least = found[winner, loser]
            assert (least[0] >= total, least[1] >= wins) == (True, True)
            assert found[loser, winner][0] == least[0]
            assert float(least[2]) == round(least[1] / least[0], 4)
    assert len(duels) > 20

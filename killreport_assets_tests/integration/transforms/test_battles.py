"""The marts of battles, fleets and pilots against what Python counts in made killmails, some of them late."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.world import World
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.market import write_market_day_in
from killreport_assets.store.schema import tables
from killreport_assets_testing.battles import CAPSULE, CRUISER, FRIGATE, LOGISTICS, MadeBattle, Pilot
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import Warehouse, load_static, market_row

AS_OF = "2024-03-20"
JITA = 30_000_142
START = datetime(2024, 3, 9, 23, 30, tzinfo=UTC)
GUN, CYNO, CARGO_FLAG, HIGH_SLOT = 2_488, 21_096, 5, 27
TAMA, BAIT_HULL = 30_002_813, 597


@dataclass
class Fought:
    """What was made, and the marts over it."""

    made: MadeBattle
    fleets: dict[str, list[Pilot]]
    reshipping: Pilot
    warehouse: Warehouse
    before: list[tuple[Any, ...]]
    """mart_battles before the late killmails came."""
    baiter: Pilot
    """Lost four cheap ships in low security, after each of which friends killed somebody there."""
    gankers: list[Pilot]
    """Three who killed three ships together in high security, from Jita to Jita, on three days."""

    @property
    def killmails(self) -> list[dict[str, Any]]:
        """The bodies."""
        return [body.body for body in self.made.bodies]

    def side(self, number: int) -> str:
        """The name of a side by its number: red is the larger one."""
        return {1: "red", 2: "blue"}[number]

    def victims(self) -> dict[str, list[dict[str, Any]]]:
        """The killmails by the side that lost."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for body in self.killmails:
            found[self.made.side_of[body["victim"]["character_id"]]].append(body)
        return found


def _make() -> tuple[MadeBattle, dict[str, list[Pilot]], Pilot]:
    made = MadeBattle(random.Random(21), start=START)
    fleets = {"red": made.fleet("red", 30, 2), "blue": made.fleet("blue", 24, 0, 3)}
    made.fight(fleets, 50, 60)
    pilot, enemies = fleets["red"][0], fleets["blue"][:4]
    for number, hull in enumerate((CRUISER, LOGISTICS, FRIGATE)):
        items = [
            {"item_type_id": GUN, "flag": HIGH_SLOT, "singleton": 0, "quantity_destroyed": 2},
            {"item_type_id": GUN, "flag": CARGO_FLAG, "singleton": 0, "quantity_dropped": 3 + number},
        ]
        made.kill(pilot, enemies, 3_060 + 60 * number, hull=hull, items=items)
    made.kill(pilot, enemies, 3_300, hull=CAPSULE)
    return made, fleets, pilot


def _ganks() -> tuple[MadeBattle, list[Pilot]]:
    """Five gankers on three days; the first of them loses two ships with a cynosural field generator."""
    made = MadeBattle(random.Random(22), JITA, START, first_id=117_000_000, first_entity=500_000)
    gankers = made.fleet("ganking", 5, 1, 1)
    for day in (1, 2, 3):
        [victim] = made.fleet(f"victim {day}", 1, 0)
        made.kill(victim, gankers[: 2 + day], day * 86_400, hull=CRUISER)
        for attacker in made.bodies[-1].body["attackers"]:
            attacker["security_status"] = -9.9
    fitted = [{"item_type_id": GUN, "flag": HIGH_SLOT, "singleton": 0, "quantity_destroyed": 2}]
    for hours in (60, 144):
        made.kill(gankers[2], [victim], hours * 3_600, hull=CRUISER, items=fitted)
    for minute in (1, 2):
        cyno = [{"item_type_id": CYNO, "flag": HIGH_SLOT, "singleton": 0, "quantity_destroyed": 1}]
        made.kill(gankers[0], [victim], 5 * 86_400 + 60 * minute, hull=FRIGATE, items=cyno)
    return made, gankers


def _baits() -> tuple[MadeBattle, Pilot]:
    """Six cheap losses: four with friends who kill nearby, one with friends far away, one where the pilot kills too."""
    made = MadeBattle(random.Random(23), TAMA, START, first_id=118_000_000, first_entity=700_000)
    [baiter, *friends] = made.fleet("bait", 5, 1, 1)
    hunters = made.fleet("hunters", 2, 0, 1)
    for hour, (kilometres, avengers) in enumerate([(100, friends)] * 4 + [(400, friends), (100, [baiter, *friends])]):
        for at, victim, attackers, hull, x in (
            (0, baiter, hunters, BAIT_HULL, 0.0),
            (200, hunters[0], avengers, CRUISER, kilometres * 1_000.0),
        ):
            made.kill(victim, attackers, 3 * 86_400 + 3_600 * hour + at, hull=hull)
            made.bodies[-1].body["victim"]["position"] = {"x": x, "y": 0.0, "z": 0.0}
    return made, baiter


@pytest.fixture(scope="module")
def fought(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fought]:
    """The first build without the first killmail and without those after midnight, the second with all."""
    world = World()
    made, fleets, pilot = _make()
    first = min(made.bodies, key=lambda body: (body.body["killmail_time"], body.body["killmail_id"]))
    late = [body for body in made.bodies if body is first or body.body["killmail_time"] >= "2024-03-10"]
    with databases.fresh() as engine:
        warehouse = Warehouse(engine, tmp_path_factory.mktemp("dbt"))
        with engine.begin() as connection:
            load_static(connection, world)
            upsert(connection, tables.types, [row | {"source": "sde"} for row in world.static["types"]])
            for day in (date(2024, 3, 12), date(2024, 3, 13)):
                write_market_day_in(connection, day, [market_row(day, BAIT_HULL, 500_000.0)])

        def write(bodies: list[KillmailBody]) -> None:
            report = write_killmails(engine, bodies, "everef")
            assert not report.rejected, report.rejected[0]

        ganks, gankers = _ganks()
        baits, baiter = _baits()
        write([body for body in made.bodies if body not in late])
        warehouse.build(is_nightly=False)
        before = warehouse.rows("select battle_id, killmails from marts.mart_battles")
        write([*late, *ganks.bodies, *baits.bodies])
        warehouse.build(as_of=AS_OF)
        yield Fought(made, fleets, pilot, warehouse, before, baiter, gankers)


def test_late_killmails_change_the_battle_and_its_id(fought: Fought) -> None:
    first = min(fought.killmails, key=lambda body: (body["killmail_time"], body["killmail_id"]))["killmail_id"]
    [(former, known)] = fought.before
    [row] = fought.warehouse.rows(
        "select battle_id, killmail_date, killmails, pilots, sides, ships_lost, pods_lost, isk_destroyed, systems, "
        "split_confidence, solar_system_name from marts.mart_battles"
    )
    pods = sum(body["victim"]["ship_type_id"] == CAPSULE for body in fought.killmails)
    seen = {a["character_id"] for b in fought.killmails for a in b["attackers"] if "character_id" in a}
    seen |= {body["victim"]["character_id"] for body in fought.killmails}
    [(value,)] = fought.warehouse.rows("select sum(total_value) from marts.fct_battle_killmails")
    total = len(fought.killmails)
    assert row == (first, START.date(), total, len(seen), 2, total - pods, pods, value, 1, 1.0, "Tama")
    assert former != first
    assert known < total
    assert fought.warehouse.rows("select former_battle_id, battle_id from marts.fct_former_battles") == [
        (former, first)
    ]


def test_sides_have_their_losses_and_kills(fought: Fought) -> None:
    losses = fought.victims()
    rows = fought.warehouse.rows(
        "select side, pilots, kills, ships_lost, pods_lost, isk_lost, isk_destroyed, logistics_pilots, is_third_party, "
        "corporations, alliances, isk_efficiency from marts.mart_battle_sides order by side"
    )
    value_of = dict(fought.warehouse.rows("select killmail_id, total_value from marts.fct_killmails"))
    assert len(rows) == 2
    for side, pilots, kills, ships_lost, pods_lost, isk_lost, isk_destroyed, logistics, is_third, *groups in rows:
        name, enemy = fought.side(side), fought.side(3 - side)
        seen = {
            party["character_id"]: party
            for body in fought.killmails
            for party in (body["victim"], *body["attackers"])
            if fought.made.side_of.get(party.get("character_id", 0)) == name
        }
        lost = Counter(body["victim"]["ship_type_id"] == CAPSULE for body in losses[name])
        assert (pilots, ships_lost, pods_lost) == (len(seen), lost[False], lost[True])
        assert kills == len(losses[enemy])
        assert isk_lost == sum(value_of[body["killmail_id"]] for body in losses[name])
        assert isk_destroyed == sum(value_of[body["killmail_id"]] for body in losses[enemy])
        assert logistics == (1 if name == "red" else 0)
        assert not is_third
        corporations = {party["corporation_id"] for party in seen.values()}
        alliances = {party.get("alliance_id") for party in seen.values()} - {None}
        assert groups == [len(corporations), len(alliances), float(isk_destroyed / (isk_destroyed + isk_lost))]


def test_a_pilots_hulls_are_in_order_with_their_losses(fought: Fought) -> None:
    hulls = fought.warehouse.rows(
        "select ship_type_id, lost_killmail_id is not null from marts.mart_battle_hulls "
        f"where character_id = {fought.reshipping.character_id} order by hull_number"
    )
    assert hulls[-3:] == [(CRUISER, True), (LOGISTICS, True), (FRIGATE, True)]
    lost = {body["killmail_id"] for body in fought.killmails if body["victim"]["ship_type_id"] != CAPSULE}
    assert {row[0] for row in fought.warehouse.rows("select lost_killmail_id from marts.mart_battle_hulls")} - {
        None
    } == lost


def test_members_have_what_became_of_them(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select character_id, kills, final_blows, damage_done, ships_lost, pods_lost, fate "
        "from marts.mart_battle_members"
    )
    by_pilot = {row[0]: row[1:] for row in rows}
    for pilot in (*fought.fleets["red"][:8], *fought.fleets["blue"][:8]):
        id_ = pilot.character_id
        attacks = [a for body in fought.killmails for a in body["attackers"] if a.get("character_id") == id_]
        losses = [body["victim"] for body in fought.killmails if body["victim"]["character_id"] == id_]
        pods = sum(victim["ship_type_id"] == CAPSULE for victim in losses)
        assert by_pilot[id_][:5] == (
            len(attacks),
            sum(attack["final_blow"] for attack in attacks),
            sum(attack["damage_done"] for attack in attacks),
            len(losses) - pods,
            pods,
        )
    assert by_pilot[fought.reshipping.character_id][-1] == "pod lost"
    assert {row[-1] for row in rows} == {"pod lost", "ship lost", "left", "there at the end"}


def test_the_timeline_adds_up_to_the_losses(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select side, sum(ships_lost), sum(pods_lost), sum(isk_lost), max(ships_lost_so_far), max(isk_lost_so_far) "
        "from marts.mart_battle_timeline group by side order by side"
    )
    sides = fought.warehouse.rows(
        "select side, ships_lost, pods_lost, isk_lost, ships_lost, isk_lost from marts.mart_battle_sides order by side"
    )
    assert [tuple(row) for row in rows] == sides


def test_items_are_destroyed_and_dropped_by_side(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select side, item_type_id, destroyed_units, dropped_units, unpriced_units from marts.mart_battle_items"
    )
    assert rows == [(1, GUN, 6, 12, 18)], "no price of the gun is known"


def test_parties_are_alliances_and_corporations_without_one(fought: Fought) -> None:
    rows = fought.warehouse.rows("select side, entity_kind, entity_id from marts.mart_battle_parties")
    expected = {(1, "alliance", pilot.alliance_id) for pilot in fought.fleets["red"]}
    expected |= {(2, "corporation", pilot.corporation_id) for pilot in fought.fleets["blue"]}
    assert set(rows) <= expected
    assert {row[:2] for row in rows} == {row[:2] for row in expected}


def test_alliances_on_one_side_are_a_coalition_from_three_battles_on(fought: Fought) -> None:
    alliances = sorted({pilot.alliance_id for pilot in fought.fleets["red"] if pilot.alliance_id})
    rows = fought.warehouse.rows(
        "select week, alliance_id, other_alliance_id, battles_together, battles_against, strength, is_coalition "
        "from marts.mart_coalitions order by 2"
    )
    monday = START.date() - timedelta(days=START.weekday())
    one, other = alliances
    assert rows == [(monday, one, other, 1, 0, 1.0, False), (monday, other, one, 1, 0, 1.0, False)]


def test_roles_have_their_evidence(fought: Fought) -> None:
    rows = fought.warehouse.rows("select character_id, role, evidence, is_role from marts.mart_pilot_roles")
    found = {(pilot, role): (evidence, is_role) for pilot, role, evidence, is_role in rows}
    first, second, third, fourth, fifth = (pilot.character_id for pilot in fought.gankers)
    assert found[first, "cyno"] == (2, True)
    assert [found.get((pilot, "ganker")) for pilot in (first, second, third, fourth, fifth)] == [
        (3, True),
        (3, True),
        (3, True),
        (2, False),
        (1, False),
    ]
    assert found[first, "highsec"] == (5, False), "ten killmails are needed"
    assert found[fought.baiter.character_id, "bait"] == (4, True)
    assert [pilot for (pilot, role) in found if role == "bait"] == [fought.baiter.character_id]
    logistics = {pilot for (pilot, role) in found if role == "logistics"}
    assert logistics == set(), "only attackers count, and the one in a logistics ship was shot"


def test_profiles_are_of_the_days_before_the_build(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select character_id, kills, losses, active_days, median_gang_size, use_share, solar_system_name, ship_type_id "
        "from marts.mart_pilot_profiles"
    )
    profiles = {row[0]: row[1:] for row in rows}
    first, second = fought.gankers[0].character_id, fought.gankers[1].character_id
    # The kills are at half past eleven in the evening, with three, four and five of them.
    assert profiles[second] == (3, 0, 3, 4.0, 1.0, "Jita", CRUISER)
    assert profiles[first][:3] == (3, 2, 4)
    seen = {party.get("character_id") for body in fought.killmails for party in (body["victim"], *body["attackers"])}
    assert seen - {None} <= profiles.keys()


def test_staging_is_where_fleets_kill_on_three_days(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select week, entity_kind, solar_system_id, fleet_kill_days, fleet_kills, rank from marts.mart_staging_systems "
        "order by week, entity_kind"
    )
    weeks = sorted({row[0] for row in rows})
    # From the week of the third day on, and as long as three days are within 30 days before a Sunday up to the build's.
    assert weeks == [date(2024, 3, 11), date(2024, 3, 18)]
    assert {row[1:] for row in rows} == {("alliance", JITA, 3, 3, 1), ("corporation", JITA, 3, 3, 1)}


def test_fleets_are_kills_without_a_long_pause(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select entity_kind, entity_id, session_id, pilots, kills, most_pilots_on_a_kill, region_name "
        "from marts.mart_fleet_sessions"
    )
    expected: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
    for body in sorted(fought.killmails, key=lambda body: (body["killmail_time"], body["killmail_id"])):
        for kind in ("corporation", "alliance"):
            for id_, count in _pilots_by(kind, body).items():
                if count >= 2:
                    expected[kind, id_].append(body)
    sessions = {(kind, id_): (session, kills) for kind, id_, session, _, kills, *_ in rows}
    assert len(sessions) == len(rows), "all is within half an hour: an entity has one session"
    for (kind, id_), bodies in expected.items():
        pilots = {a["character_id"] for body in bodies for a in body["attackers"] if a.get(f"{kind}_id") == id_}
        if len(pilots) >= 5:
            assert sessions[kind, id_] == (bodies[0]["killmail_id"], len(bodies))
    ganking = [row for row in rows if row[1] == fought.gankers[0].alliance_id]
    assert [(row[3], row[4], row[5]) for row in ganking] == [(5, 1, 5)], "days apart, and five pilots are needed"
    ships = fought.warehouse.rows(
        "select ship_type_id, pilots from marts.mart_fleet_composition where entity_kind = 'alliance' and entity_id = "
        f"{fought.gankers[0].alliance_id}"
    )
    assert ships == [(CRUISER, 5)]


def test_kills_are_credited_to_the_fit_that_was_lost_next(fought: Fought) -> None:
    rows = fought.warehouse.rows(
        "select kills.kills_inferred_zkb, kills.weighted_kills_inferred_zkb, kills.final_blows_inferred_zkb, "
        "kills.pilots, fits.losses from marts.mart_fit_kills kills join marts.mart_fits fits using (fit_id) "
        f"where fits.last_killmail_id = (select max(killmail_id) from marts.fct_killmails where victim_character_id = "
        f"{fought.gankers[2].character_id})"
    )
    # With three and four attackers before the loss on day 2.5, with five between that and the one on day 6.
    [(kills, weighted, final_blows, pilots, losses)] = rows
    # The pilot who reshipped lost the same fit, and killed nothing in that hull after losing one before.
    assert (kills, final_blows, pilots, losses) == (3, 0, 1, 3)
    assert weighted == pytest.approx(1 / 3 + 1 / 4 + 1 / 5)


def test_time_zones_are_those_of_the_kills(fought: Fought) -> None:
    killmails: dict[tuple[str, int], dict[int, int]] = defaultdict(dict)
    for body in fought.killmails:
        for kind in ("corporation", "alliance"):
            for id_, pilots in _pilots_by(kind, body).items():
                killmails[kind, id_][body["killmail_id"]] = pilots
    rows = fought.warehouse.rows(
        "select entity_kind, entity_id, kills, fleet_kills, use_share, fleet_use_share, primary_time_zone, "
        "fleet_primary_time_zone from marts.mart_time_zones"
    )
    found = {row[:2]: row[2:] for row in rows}
    assert found["alliance", fought.gankers[0].alliance_id or 0][-2:] == (None, None), "three kills are too few"
    for key, pilots_on in killmails.items():  # all of it was from half past eleven to half past twelve in the night
        fleets = sum(pilots >= 5 for pilots in pilots_on.values())
        assert found[key] == (
            len(pilots_on),
            fleets,
            1.0,
            1.0 if fleets else None,
            "use" if len(pilots_on) >= 20 else None,
            "use" if fleets >= 20 else None,
        )


def test_losses_are_judged_as_a_replacement_programme_does(fought: Fought) -> None:
    sessions = fought.warehouse.rows(
        "select entity_kind, entity_id, session_id, region_id, started_at, ended_at from marts.mart_fleet_sessions"
    )
    rows = fought.warehouse.rows(
        "select entity_kind, entity_id, killmail_id, session_id, has_attacked_with_fleet, is_further_loss "
        "from marts.mart_srp_losses"
    )
    found = {row[:3]: row[3:] for row in rows}
    region = next(row[3] for row in sessions if row[1] == fought.fleets["red"][0].alliance_id)
    lost_before: set[tuple[str, int, int, int]] = set()
    judged = []
    for body in sorted(fought.killmails, key=lambda body: (body["killmail_time"], body["killmail_id"])):
        victim, at = body["victim"], datetime.fromisoformat(body["killmail_time"])
        for kind in ("corporation", "alliance") if victim["ship_type_id"] != CAPSULE else ():
            id_, pilot = victim.get(f"{kind}_id"), victim["character_id"]
            if id_ is None:
                continue
            window = timedelta(minutes=15)
            [session] = [
                (number, first, last)
                for of_kind, of_id, number, where, first, last in sessions
                if (of_kind, of_id, where) == (kind, id_, region) and first - window <= at < last + window
            ] or [(None, at, at)]
            number, first, last = session
            has_attacked = any(
                first <= datetime.fromisoformat(other["killmail_time"]) <= last
                and _pilots_by(kind, other).get(id_, 0) >= 2
                and pilot in {attacker.get("character_id") for attacker in other["attackers"]}
                for other in (fought.killmails if number is not None else ())
            )
            is_further = number is not None and (kind, id_, number, pilot) in lost_before
            lost_before.add((kind, id_, number or 0, pilot))
            assert found[kind, id_, body["killmail_id"]] == (number, has_attacked, is_further)
            judged.append(found[kind, id_, body["killmail_id"]])
    assert {False, True} == {has_attacked for _, has_attacked, _ in judged} == {further for *_, further in judged}


def _pilots_by(kind: str, body: dict[str, Any]) -> Counter[int]:
    """The attacking pilots of each entity."""
    return Counter(a[f"{kind}_id"] for a in body["attackers"] if "character_id" in a and f"{kind}_id" in a)

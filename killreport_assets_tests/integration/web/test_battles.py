"""Battles on pages and in GraphQL: the marts' numbers, and ids that lead to a battle."""

import re

from killreport_assets.web import battles
from killreport_assets_tests.integration.web.conftest import Site, text_of


def test_a_battle_has_a_page_to_which_its_killmails_lead(site: Site) -> None:
    battle_id, killmails, pilots, system = site.story.warehouse.rows(
        "select battle_id, killmails, pilots, solar_system_name from marts.mart_battles order by killmails desc limit 1"
    )[0]
    text = text_of(site.get(f"/battle/{battle_id}").text)
    assert f"Battle of {system}" in text
    assert f"Killmails ? {killmails}" in text
    assert f"Pilots {pilots}" in text
    sides = site.story.warehouse.rows(
        f"select entity_name, pilots from marts.mart_battle_sides where battle_id = {battle_id} and hostility_share > 0"
    )
    assert len(sides) == 2
    for name, count in sides:
        assert name in text
        assert f"{count} of" in text
    members = site.story.warehouse.rows(
        f"select character_name from marts.mart_battle_members where battle_id = {battle_id}"
    )
    assert [name for (name,) in members if name not in text] == []
    other = site.scalar(
        f"select killmail_id from marts.fct_battle_killmails where battle_id = {battle_id} and killmail_id <> battle_id"
    )
    moved = site.get(f"/battle/{other}", allow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (302, f"/battle/{battle_id}")
    assert f'href="/battle/{battle_id}"' in site.get(f"/kill/{other}").text


def test_battles_are_listed_newest_first_and_on_the_pages_of_those_in_them(site: Site) -> None:
    rows = site.story.warehouse.rows("select battle_id from marts.mart_battles order by ended_at desc, battle_id desc")
    page = site.get("/battles").text
    assert [int(id_) for id_ in re.findall(r'href="/battle/(\d+)"', page)] == [id_ for (id_,) in rows]
    kind, entity_id, battle_id = site.story.warehouse.rows(
        "select entity_kind, entity_id, battle_id from marts.mart_battle_parties "
        "where entity_kind = 'alliance' order by pilots desc, entity_id limit 1"
    )[0]
    assert f'href="/battle/{battle_id}"' in site.get(f"/{kind}/{entity_id}").text
    assert site.get("/battle/1").status_code == 404
    assert site.get("/battles?after=nonsense").status_code == 400
    oldest = site.scalar("select min(battle_id) from marts.mart_battles")
    assert "No battle here that is older" in text_of(site.get(f"/battles?after=1000-{oldest}").text)


def test_battles_have_their_sides_and_members(site: Site) -> None:
    battle_id, killmails = site.story.warehouse.rows(
        "select battle_id, killmails from marts.mart_battles order by killmails desc limit 1"
    )[0]
    other = site.scalar(f"select max(killmail_id) from marts.fct_battle_killmails where battle_id = {battle_id}")
    asked = """query ($id: Int!) { battle(id: $id) { battleId url killmails pilots sides {
        name pilots iskLost isThirdParty parties { entityName confidence }
        } members { side fate character { name } } } }"""
    found = site.query(asked, {"id": other})["data"]["battle"]
    assert (found["battleId"], found["killmails"]) == (battle_id, killmails)
    assert found["url"] == f"/battle/{battle_id}"
    assert len(found["sides"]) == 2
    fighting = f"select sum(pilots) from marts.mart_battle_sides where battle_id = {battle_id} and hostility_share > 0"
    assert sum(side["pilots"] for side in found["sides"]) == site.scalar(fighting)
    assert found["pilots"] == len(found["members"])
    assert site.query(asked, {"id": 1})["data"]["battle"] is None
    newest = site.query("{ battles(first: 3) { battleId solarSystem { name } } }")["data"]["battles"]
    rows = site.story.warehouse.rows(
        "select battle_id from marts.mart_battles order by ended_at desc, battle_id desc limit 3"
    )
    assert [battle["battleId"] for battle in newest] == [id_ for (id_,) in rows]
    system = site.scalar(f"select solar_system_id from marts.mart_battles where battle_id = {battle_id}")
    there = site.query(f"{{ battles(kind: SYSTEM, id: {system}) {{ battleId }} }}")["data"]["battles"]
    assert battle_id in [battle["battleId"] for battle in there]


def test_battles_of_some_days_are_found_behind_newer_ones(site: Site) -> None:
    rows = site.story.warehouse.rows("select distinct killmail_date from marts.mart_battles")
    assert len(rows) > 1
    with site.story.warehouse.engine.connect() as connection:
        for (day,) in rows:
            found = battles.newest(connection, days=(day, day), limit=1)
            assert [battle["killmail_date"] for battle in found] == [day]

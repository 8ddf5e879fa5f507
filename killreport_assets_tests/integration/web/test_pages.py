"""The public pages over the built marts: they show the marts' numbers, and say what is missing."""

import re
from html import unescape

import pytest
import sqlalchemy as sa

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.store.killmails import write_killmails
from killreport_assets.web.entities import KINDS
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.web_server import Visitor, serving
from killreport_assets_tests.integration.web.conftest import Site, text_of

MOST = "select {kind}_id from marts.mart_{kind}_all_time order by kills + losses desc, 1 limit 1"


def test_the_front_page_shows_the_newest_killmails_and_what_is_known(site: Site) -> None:
    page = site.get("/").text
    newest = site.scalar("select killmail_id from marts.fct_killmails order by killmail_time desc limit 1")
    assert f'href="/kill/{newest}"' in page
    assert "Killmails 394" in text_of(page)
    assert "sandbox: not the real EVE" in page


@pytest.mark.parametrize("kind", KINDS)
def test_an_entitys_page_has_its_marts_numbers_and_its_newest_killmails(site: Site, kind: str) -> None:
    entity_id = site.scalar(MOST.format(kind=kind))
    answer = site.get(f"/{KINDS[kind].path}/{entity_id}")
    assert answer.status_code == 200
    kills, losses = site.story.warehouse.rows(
        f"select kills, losses from marts.mart_{kind}_all_time where {kind}_id = {entity_id}"
    )[0]
    text = text_of(answer.text)
    assert f"Kills{' here' if KINDS[kind].is_place else ''} ? {kills}" in text
    if not KINDS[kind].is_place:
        assert f"▼ Losses ? {losses}" in text
    shown = {int(id_) for id_ in re.findall(r'href="/kill/(\d+)"', answer.text)}
    assert len(shown) == min(25, _killmails_of(site, kind, entity_id))
    assert len(answer.text.encode()) <= 150_000


def _killmails_of(site: Site, kind: str, entity_id: int) -> int:
    column = {"system": "solar_system_id"}.get(kind, f"{kind}_id")
    if KINDS[kind].is_place:
        query = f"select count(*) from marts.fct_killmails where {column} = {entity_id}"
    else:
        ships = "ship_group_id" if kind == "ship_group" else column
        query = (
            f"select count(*) from (select killmail_id from marts.fct_attackers where {ships} = {entity_id} union "
            f"select killmail_id from marts.fct_killmails where victim_{column} = {entity_id}) involved"
        )
    return int(site.scalar(query))


def test_every_killmail_has_a_page_with_its_items_attackers_and_lineage(site: Site) -> None:
    for killmail_id in sorted(site.story.known[-1])[::8]:
        answer = site.get(f"/kill/{killmail_id}")
        assert answer.status_code == 200, killmail_id
        assert "Where this comes from" in answer.text
    counted = "select killmail_id from marts.fct_killmails order by item_row_count desc limit 1"
    killmail_id = site.scalar(counted)
    text = text_of(site.get(f"/kill/{killmail_id}").text)
    names = site.story.warehouse.rows(
        f"select distinct item_name from marts.fct_items where killmail_id = {killmail_id} and item_name is not null"
    )
    assert len(names) > 20
    assert [name for (name,) in names if name not in text] == []
    assert "★ final blow" in text


def test_a_fit_has_a_page_with_its_modules_and_its_losses(site: Site) -> None:
    fit_id, hull, losses = site.story.warehouse.rows(
        "select fit_id, ship_type_id, losses from marts.mart_fits order by losses desc, fit_id limit 1"
    )[0]
    lost = [
        id_
        for (id_,) in site.story.warehouse.rows(
            f"select killmail_id from marts.fct_killmail_fits where fit_id = '{fit_id}'"
        )
    ]
    assert len(lost) == losses > 1
    page = site.get(f"/fit/{fit_id}").text
    assert {int(id_) for id_ in re.findall(r'href="/kill/(\d+)"', page)} == set(lost)
    modules = site.story.warehouse.rows(
        f"select module_type_name from marts.mart_fit_modules where fit_id = '{fit_id}'"
    )
    assert [name for (name,) in modules if name not in text_of(page)] == []
    assert f'href="/fit/{fit_id}"' in site.get(f"/kill/{lost[0]}").text
    assert f'href="/fit/{fit_id}"' in site.get(f"/ship/{hull}").text
    family = site.scalar(
        "select typical_fit_id from marts.mart_fit_families where fits > 1 order by losses desc limit 1"
    )
    assert "Variants of this fit" in site.get(f"/fit/{family}").text


def test_a_definition_that_changed_says_in_whose_numbers(site: Site) -> None:
    page = text_of(site.get("/definitions").text)
    for change, whose in site.story.warehouse.rows("select change, whose from marts.mart_metric_changes"):
        assert change in page
        assert whose in page


def test_pages_follow_each_other_without_a_gap_or_a_repeat(site: Site) -> None:
    expected = "select killmail_id from marts.fct_killmails order by killmail_time desc, killmail_id desc"
    assert _followed(site, "/kills") == [id_ for (id_,) in site.story.warehouse.rows(expected)]


@pytest.mark.parametrize("kind", KINDS)
def test_so_do_those_of_an_entity(site: Site, kind: str) -> None:
    entity_id = site.scalar(MOST.format(kind=kind))
    seen = _followed(site, f"/{KINDS[kind].path}/{entity_id}/kills-and-losses")
    assert len(seen) == len(set(seen)) == _killmails_of(site, kind, entity_id)


def _followed(site: Site, path: str) -> list[int]:
    """The killmails of a page and of all that follow it."""
    seen: list[int] = []
    while path:
        page = site.get(path).text
        seen += [int(id_) for id_ in re.findall(r'href="/kill/(\d+)"', page)]
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = unescape(following[1]).replace(site.url, "") if following else ""
    return seen


def test_a_regions_map_has_all_its_systems_and_their_kills(site: Site) -> None:
    engine = site.story.warehouse.engine
    region, day = site.story.warehouse.rows(
        "select region_id, max(killmail_date) from marts.mart_region_daily "
        "where killmail_date = (select max(killmail_date) from marts.fct_killmails) group by 1"
    )[0]
    with engine.begin() as connection:
        connection.execute(sa.text("update raw.systems set position_x = system_id % 91, position_z = system_id % 17"))
    page = site.get(f"/region/{region}").text
    expected = site.scalar(f"select count(*) from raw.systems where region_id = {region}")
    assert page.count("<circle") == expected > 0
    kills = site.scalar(
        f"select sum(kills) from marts.mart_system_daily d join raw.systems s using (system_id) "
        f"where s.region_id = {region} and killmail_date between date '{day}' - 6 and '{day}'"
    )
    assert sum(map(int, re.findall(r": (\d+) kills in the week", page))) == kills > 0
    with engine.begin() as connection:
        connection.execute(sa.text("update raw.systems set position_x = null"))
    assert "have no place yet" in site.get(f"/region/{region}").text
    assert f'href="/region/{region}"' in site.get("/regions").text


def test_a_search_finds_names_ids_and_killmails(site: Site) -> None:
    ship = site.story.warehouse.rows("select victim_ship_type_id, victim_ship_name from marts.fct_killmails limit 1")[0]
    assert f'href="/ship/{ship[0]}"' in site.get("/search", params={"q": ship[1][:6].upper()}).text
    assert f'href="/ship/{ship[0]}"' in site.get("/search", params={"q": str(ship[0])}).text
    killmail_id = site.scalar("select min(killmail_id) from marts.fct_killmails")
    assert f'href="/kill/{killmail_id}"' in site.get("/search", params={"q": str(killmail_id)}).text
    for odd in ("%", "_", "\\", "x", "", "' or 1=1", "Ж" * 200, "\x00"):
        assert site.get("/search", params={"q": odd}).status_code == 200, odd
    assert "Nothing begins with" in site.get("/search", params={"q": "no such name"}).text


def test_every_link_to_a_definition_leads_to_one(site: Site) -> None:
    defined = set(re.findall(r'<dt id="([^"]+)"', site.get("/definitions").text))
    assert len(defined) > 150
    paths = ["/", f"/kill/{site.scalar('select min(killmail_id) from marts.fct_killmails')}"]
    paths += [f"/{kind.path}/{site.scalar(MOST.format(kind=name))}" for name, kind in KINDS.items()]
    linked = {anchor for path in paths for anchor in re.findall(r'href="/definitions#([^"]+)"', site.get(path).text)}
    assert len(linked) > 15
    assert linked - defined == set()


def test_coverage_counts_killmails_by_day_and_source(site: Site) -> None:
    text = text_of(site.get("/coverage").text)
    assert "Killmails in the statistics 394" in text
    day, count = site.story.warehouse.rows(
        "select killmail_date, count(*) from marts.fct_killmails group by 1 order by 1 desc limit 1"
    )[0]
    assert f"{day} {count}" in text


def test_coverage_shows_what_share_of_the_known_killmails_is_stored(site: Site) -> None:
    page = site.get("/coverage").text
    months = site.story.warehouse.rows("""
        select to_char(killmail_date, 'YYYY-MM'), count(*), count(*) filter (where is_complete), sum(known_killmails),
            sum(stored_killmails), sum(missing_for_good)
        from marts.fct_completeness where coverage is not null group by 1
    """)
    assert len({known == stored for *_, known, stored, _ in months}) == 2, "one is whole, one lacks killmails"
    for month, days, complete, known, stored, missing in months:
        share = f"{stored / known:.1%}"
        assert f"{month} {days} {complete} {known} {stored} {share} {missing}" in text_of(page)
        assert f"<title>{month}: {share}</title>" in page


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/kill/1", 404),
        ("/character/1", 404),
        ("/planet/1", 404),
        ("/character/99999999999999999999", 404),
        ("/kills?after=nonsense", 400),
        ("/kills?after=99999999999999-1", 400),
        ("/kills?day=2026-13-01", 400),
        ("/kills?day=0001-01-01", 400),
        ("/fit/0123456789abcdef0123456789abcdef", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there_says_so_on_a_page(site: Site, path: str, status: int) -> None:
    answer = site.get(path)
    assert (answer.status_code, "Back to the first page" in answer.text) == (status, True)


def test_without_any_build_every_page_says_what_to_do(visitor: Visitor, platform: Platform) -> None:
    assert "Run killreport run" in text_of(visitor.get("/").text)
    write_killmails(platform.engine, genuine.bodies(1), "everef")
    assert "1 are stored; the next dbt build reads them" in text_of(visitor.get("/").text)
    for path in ("/search?q=abc", "/definitions", "/coverage", "/me", "/api/"):
        assert visitor.get(path).status_code == 200, path


def test_a_killmail_that_no_build_has_read_yet_is_shown(site: Site) -> None:
    engine = site.story.warehouse.engine
    body = genuine.record(genuine.records()[0]["killmail_id"])["esi"] | {"killmail_id": 2_000_000_001}
    try:
        write_killmails(engine, [KillmailBody(body, None)], "r2z2")
        page = text_of(site.get("/kill/2000000001").text)
        assert "follow with the next build" in page
        assert "Brought by r2z2" in page
    finally:
        with engine.begin() as connection:
            for table in ("killmails", "killmail_attackers", "killmail_items"):
                connection.execute(sa.text(f"delete from raw.{table} where killmail_id = 2000000001"))
            connection.execute(sa.text("delete from ops.enrichments where killmail_id = 2000000001"))


def test_pages_are_read_by_a_role_that_sees_no_token_and_writes_nothing(site: Site) -> None:
    with site.story.warehouse.engine.connect() as connection:
        readable = connection.execute(
            sa.text("""
                select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'p', 'v') and n.nspname in ('ops', 'intermediate', 'staging', 'pgmq')
                    and has_table_privilege('killreport_web', c.oid, 'select')
            """)
        ).scalars()
        assert set(readable) == {"ops.enrichments", "ops.entity_pending", "ops.transform_builds"}
        writable = connection.execute(
            sa.text("""
                select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where n.nspname in ('raw', 'ops', 'marts') and c.relkind in ('r', 'p', 'v')
                    and has_table_privilege('killreport_web', c.oid, 'insert, update, delete, truncate')
            """)
        ).scalar_one()
        assert writable == 0


def test_what_the_operator_has_to_mend_is_shown_to_this_machine_alone(platform: Platform) -> None:
    with serving(platform.settings.with_values(min_free_gib=1_000_000), platform.engine) as url:
        _look_from_here_and_elsewhere(Visitor(url))


def _look_from_here_and_elsewhere(visitor: Visitor) -> None:
    elsewhere = {"X-Forwarded-For": "203.0.113.9"}  # as a proxy on this machine says it
    here, there = (visitor.session.get(f"{visitor.url}/health", headers=h, timeout=60) for h in ({}, elsewhere))
    assert here.json()["problems"]
    assert there.json() == {"healthy": False}
    assert here.json()["problems"][0] in text_of(visitor.get("/coverage").text)
    public = text_of(visitor.session.get(f"{visitor.url}/coverage", headers=elsewhere, timeout=60).text)
    assert here.json()["problems"][0] not in public
    assert "the operator's attention" in public
    assert visitor.session.get(f"{visitor.url}/metrics", headers=elsewhere, timeout=60).status_code == 403
    assert "killreport_healthy 0.0" in visitor.get("/metrics").text

"""The REST API: ESI's bodies whole, zKillboard's filters and numbers, and a feed that another KillReport follows."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from killreport_assets.ingest.feed import follow
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.store.announcements import announce
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.web.bodies import bodies_of
from killreport_assets.web.rest.paths import LABELS, BadPath, read_path
from killreport_assets_testing import genuine
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.web_server import serving
from killreport_assets_tests.integration.web.conftest import Site

PUBLIC_URLS = (genuine.DATA / "zkillboard_urls.txt").read_text()


def _normal(body: dict[str, Any]) -> dict[str, Any]:
    """A body without what ESI leaves out or writes as an empty list, and without fractions of numbers."""
    return json.loads(json.dumps(_stripped(body)), parse_int=float)  # type: ignore[no-any-return]


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _stripped(inner) for name, inner in sorted(value.items()) if inner not in (None, [])}
    return [_stripped(inner) for inner in value] if isinstance(value, list) else value


def test_bodies_are_those_that_were_received(site: Site) -> None:
    ids = [record["killmail_id"] for record in genuine.records()]
    with site.story.warehouse.engine.connect() as connection:
        bodies = bodies_of(connection, ids)
    assert len(bodies) == 394
    different = [r["killmail_id"] for r in genuine.records() if _normal(bodies[r["killmail_id"]]) != _normal(r["esi"])]
    assert different == []


@pytest.mark.parametrize(
    ("path", "condition"),
    [
        ("solo/", "is_solo_zkb"),
        ("npc/1/", "is_npc_zkb"),
        ("npc/0/losses/shipTypeID/670/", "not is_npc_zkb and victim_ship_type_id = 670"),
        ("highsec/", "security_band_zkb = 'highsec'"),
        (
            "regionID/10000069/year/2014/month/5/",
            "region_id = 10000069 and killmail_date between '2014-05-01' and '2014-05-31'",
        ),
        ("iskValue/1000000000/", "total_value >= 1e9"),
        ("label/isk:1b+/", "isk_band = '1b+'"),
        ("kills/allianceID/99001795/finalblow-only/", "final_blow_alliance_id = 99001795"),
        ("startTime/201801010000/endTime/202001010000/", "killmail_time between '2018-01-01' and '2020-01-01'"),
        ("?beforeKillID=50000000&afterKillID=40000000", "killmail_id > 40000000 and killmail_id < 50000000"),
        ("w-space/", "security_band_zkb = 'w-space'"),
        (
            "awox/0/finalblow-only/kills/characterID/780702065/",
            "not is_awox and final_blow_character_id = 780702065",
        ),
        ("groupID/25/losses/", "victim_ship_group_id = 25"),
    ],
)
def test_a_filter_of_the_address_finds_what_sql_finds(site: Site, path: str, condition: str) -> None:
    found: list[int] = []
    for page in range(1, 5):
        separator = "" if path.endswith("/") or "?" in path else "/"
        address = f"/api/page/{page}/{path}{separator}" if "?" in path else f"/api/{path}page/{page}/"
        answer = site.get(address).json()
        found += [killmail["killmail_id"] for killmail in answer]
        if len(answer) < 200:
            break
    expected = site.story.warehouse.rows(
        f"select killmail_id from marts.fct_killmails where {condition} order by killmail_time desc, killmail_id desc"
    )
    assert found == [id_ for (id_,) in expected]
    assert found


def test_the_block_has_zkillboards_members_with_our_values(site: Site) -> None:
    found = site.get("/api/killID/39077457/").json()
    [killmail] = found
    block = killmail["zkb"]
    assert {
        "hash",
        "fittedValue",
        "droppedValue",
        "destroyedValue",
        "totalValue",
        "points",
        "npc",
        "solo",
        "awox",
    } <= set(block)
    total = site.scalar("select total_value from marts.fct_killmails where killmail_id = 39077457")
    assert block["totalValue"] == pytest.approx(float(total))
    assert killmail["victim"]["ship_type_id"] == 593
    answer = site.get("/api/killID/39077457/")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "public" in answer.headers["Cache-Control"]
    assert site.get("/api/killID/39077457/", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_statistics_count_what_zkillboard_counts(site: Site) -> None:
    id_ = site.scalar("select character_id from marts.mart_character_all_time order by kills desc limit 1")
    stats = site.get(f"/api/stats/characterID/{id_}/").json()
    kills, isk = site.story.warehouse.rows(
        f"select pvp_kills, pvp_isk_destroyed from marts.mart_character_all_time where character_id = {id_}"
    )[0]
    assert stats["shipsDestroyed"] == kills == sum(month["shipsDestroyed"] for month in stats["months"].values())
    assert stats["iskDestroyed"] == pytest.approx(float(isk))
    counted = site.scalar(
        "select sum(kills + losses) from marts.mart_activity_hours "
        f"where entity_kind = 'character' and entity_id = {id_}"
    )
    assert sum(count for hours in stats["activity"].values() for count in hours.values()) == counted
    assert len(stats["topIskKillIDs"]) == 6
    assert "no killmail has" in site.get("/api/stats/characterID/1/").json()["error"]


def test_a_days_history_is_id_and_hash(site: Site) -> None:
    day = site.scalar("select killmail_date from marts.fct_killmails group by 1 order by count(*) desc limit 1")
    expected = site.story.warehouse.rows(
        f"select killmail_id, killmail_hash from marts.fct_killmails where killmail_date = '{day}'"
    )
    assert site.get(f"/api/history/{day:%Y%m%d}.json").json() == {str(id_): hash_ for id_, hash_ in expected}
    assert "error" in site.get("/api/history/20261399.json").json()


def test_prices_names_and_related_killmails(site: Site) -> None:
    prices = site.get("/api/prices/34/").json()
    assert prices["currentPrice"] in prices.values()
    assert len(prices) > 2
    assert site.get("/api/prices/999999/").json() == {"typeID": 999999, "currentPrice": None}
    found = requests.get(f"{site.url}/autocomplete/rifter/", timeout=60).json()
    assert {"id": 587, "name": "Rifter", "type": "ship"} in found
    system, moment = site.story.warehouse.rows(
        "select solar_system_id, max(killmail_time) from marts.fct_killmails group by 1 order by count(*) desc limit 1"
    )[0]
    related = site.get(f"/api/related/{system}/{moment:%Y%m%d%H%M}/").json()
    assert related["kills"]
    assert all(kill["solar_system_id"] == system for kill in related["kills"])


@pytest.mark.parametrize("url", [line for line in PUBLIC_URLS.splitlines() if line and not line.startswith("#")])
def test_addresses_of_public_clients_are_answered(site: Site, url: str) -> None:
    answer = site.get(url)
    assert answer.status_code == 200
    assert "error" not in answer.json()


@pytest.mark.parametrize(
    "path",
    [
        *("bogus/", "characterID/", "characterID/x/", "characterID/1,2/", "characterID/-1/", "year/1/", "month/13/"),
        *("label/nonsense/", "startTime/yesterday/", "pastSeconds/9999999/", "npc/2/", "page/" * 40),
        "characterID/99999999999999999999/",
    ],
)
def test_a_wrong_address_says_what_is_wrong(site: Site, path: str) -> None:
    answer = site.get(f"/api/{path}")
    assert (answer.status_code, list(answer.json())) == (200, ["error"])
    with pytest.raises(BadPath):
        read_path(path)


def test_flags_and_labels_agree_with_zkillboards_where_both_are_known(site: Site) -> None:
    rows = site.story.warehouse.rows("select killmail_id, npc, solo, awox from raw.zkillboard_values order by 1")
    for killmail_id, npc, solo, awox in rows[::4]:
        [killmail] = site.get(f"/api/killID/{killmail_id}/").json()
        block = killmail["zkb"]
        assert (block["npc"], block["solo"], block["awox"]) == (npc, solo, awox)
        labels = {"npc": npc, "solo": solo, "awox": awox}
        assert {name for name in labels if labels[name]} == set(labels) & set(block["labels"])
        assert set(block["labels"]) <= set(LABELS)
    assert len(rows) > 300


def test_another_killreport_follows_this_one(site: Site, platform: Platform, databases: Databases) -> None:
    engine = site.story.warehouse.engine
    ids = [record["killmail_id"] for record in genuine.records()[:30]]
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from ops.live_feed")
        announce(connection, ids[:20])
    settings = platform.settings.with_values(r2z2_url=site.url)
    feed = R2z2Feed(settings, platform.engine)
    assert feed.head() == 20
    first = follow(feed, platform.engine, start=1)
    assert (len(first.written.stored), first.caught_up) == (20, True)
    with engine.begin() as connection:
        announce(connection, ids[15:])  # five of them again
    assert len(follow(feed, platform.engine).written.stored) == 10
    followed = platform.rows("select killmail_id, killmail_hash from raw.killmails order by 1")
    assert followed == sorted((r["killmail_id"], r["killmail_hash"]) for r in genuine.records()[:30])
    with platform.engine.connect() as connection:
        bodies = bodies_of(connection, ids)
    assert [id_ for id_ in ids if _normal(bodies[id_]) != _normal(genuine.record(id_)["esi"])] == []
    values = platform.rows("select count(*) from raw.zkillboard_values where total_value is not null")
    assert values == [(30,)]
    feed.close()


def test_entries_are_numbered_without_gaps_in_the_order_of_commits(platform: Platform) -> None:
    with serving(platform.settings, platform.engine) as url:

        def newest() -> int:
            return int(requests.get(f"{url}/ephemeral/sequence.json", timeout=60).json()["sequence"])

        assert newest() == 0
        with platform.engine.connect() as slow:
            transaction = slow.begin()
            announce(slow, write_killmails_in(slow, genuine.bodies(1), "r2z2").stored)
            later = [KillmailBody(r["esi"], r["killmail_hash"]) for r in genuine.records()[1:3]]
            write_killmails(platform.engine, later, "r2z2")
            with platform.engine.begin() as connection:
                announce(connection, [r["killmail_id"] for r in genuine.records()[1:3]])
            assert newest() == 2
            transaction.commit()
        assert newest() == 3
        entries = [requests.get(f"{url}/ephemeral/{n}.json", timeout=60).json() for n in (1, 2, 3)]
        assert entries[2]["killmail_id"] == genuine.records()[0]["killmail_id"]
        assert [entry["sequence_id"] for entry in entries] == [1, 2, 3]
        assert entries[0]["uploaded_at"] > (datetime.now(UTC) - timedelta(hours=1)).timestamp()
        assert requests.get(f"{url}/ephemeral/4.json", timeout=60).status_code == 404
        platform.execute("update ops.live_feed set announced_at = now() - interval '3 days'")
        platform.execute("insert into ops.live_feed (killmail_id) values (77)")
        assert newest() == 4
        assert requests.get(f"{url}/ephemeral/1.json", timeout=60).status_code == 404


@pytest.mark.parametrize("moment", ["000101010000", "999912312359"])
def test_the_ends_of_the_calendar_are_no_fault_of_ours(site: Site, moment: str) -> None:
    answer = site.get(f"/api/related/30000142/{moment}/")
    assert (answer.status_code, answer.json()) == (200, {"error": "the time is at the end of the calendar"})

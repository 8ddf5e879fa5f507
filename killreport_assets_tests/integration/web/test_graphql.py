"""The GraphQL API: the original's operations, the marts' numbers, few statements, limits, and who may ask what."""

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
import sqlalchemy as sa
from graphql import GraphQLNonNull, GraphQLObjectType
from websockets.sync.client import connect

from killreport_assets.queues.catalogue import USER_KILLMAILS
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.store.announcements import announce
from killreport_assets.web.api_tokens import new_token, revoke_token
from killreport_assets.web.graphql.resolvers import build_schema
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.waiting import wait_until
from killreport_assets_testing.web_server import Visitor, serving
from killreport_assets_tests.integration.web.conftest import Site

ORIGINAL = (genuine.DATA / "original_operations.graphql").read_text()
EVERYTHING = """
    query ($after: String) { killmails(first: 100, after: $after) {
        nodes {
            killmailId killmailHash killmailTime attackerCount totalValue isHullPriced isSolo isNpc isAwox isGanked
            victim { characterId character { name url } corporation { name } alliance { name } shipType { name } }
            attackers { characterId character { name } corporation { name } shipType { name } damageDone finalBlow }
            items { typeId name flag slot isCharge quantityDestroyed quantityDropped }
            values { priceMethod totalValue destroyedValue droppedValue fittedValue hullValue unpricedUnits }
            solarSystem { name } region { name } zkillboard { totalValue points labels } fit { fitId losses }
            lineage { source storedAt caused { kind id name roles outcome requestedAt enrichedAt } }
        }
        pageInfo { hasNextPage endCursor }
    } }
"""


@pytest.fixture
def statements(site: Site) -> Iterator[list[str]]:
    """The statements that are sent while a test runs, on any connection of this process."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)


def test_the_originals_types_have_its_nullability() -> None:
    schema = build_schema()
    expected = {
        "WorkerStatus": {
            "isRunning": "Boolean!",
            "lastSync": "String!",
            "totalUsers": "Int!",
            "lastSyncDuration": "Int!",
        },
        "SyncMyKillmailsResult": {"success": "Boolean!", "message": "String!", "syncedCount": "Int!"},
        "Killmail": {"killmailId": "Int!", "killmailTime": "DateTime!", "victim": "Victim!"},
        "Victim": {"characterId": "Int", "shipTypeId": "Int!"},
    }
    for name, fields in expected.items():
        type_ = schema.type_map[name]
        assert isinstance(type_, GraphQLObjectType)
        assert {field: str(type_.fields[field].type) for field in fields} == fields
    assert schema.query_type is not None
    assert isinstance(schema.query_type.fields["myKillmails"].type, GraphQLNonNull)


def test_the_originals_operations_answer_a_user(platform: Platform) -> None:
    with serving(platform.settings.with_values(sync_wait_seconds=60.0), platform.engine) as url:
        _sync_and_look(platform, Visitor(url))


def _sync_and_look(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)

    def ask(operation: str) -> dict[str, Any]:
        body = {"query": ORIGINAL, "operationName": operation}
        headers = {"Origin": visitor.url}
        answer: dict[str, Any] = visitor.session.post(
            f"{visitor.url}/graphql", json=body, headers=headers, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]  # type: ignore[no-any-return]

    worker = threading.Thread(target=lambda: _work_when_queued(platform))
    worker.start()
    synced = ask("Sync")["syncMyKillmails"]
    worker.join()
    stored = platform.scalar("select count(*) from raw.killmails")
    assert synced == {"success": True, "message": f"{stored} killmails stored.", "syncedCount": stored}
    assert stored > 10
    again = ask("Sync")["syncMyKillmails"]
    assert again["success"] is True
    assert "ESI has nothing newer before" in again["message"]
    status = ask("Status")["workerStatus"]
    assert (status["totalUsers"], status["isRunning"]) == (1, False)  # no daemon runs in this test
    assert datetime.fromisoformat(status["lastSync"]) > datetime.fromisoformat("2026-01-01T00:00:00Z")


def _work_when_queued(platform: Platform) -> None:
    wait_until(lambda: platform.message_ids(USER_KILLMAILS, "__urgent"))
    platform.user_killmails(LONG_IDLE)
    platform.killmails(LONG_IDLE)


def test_without_a_session_no_killmails_are_mine(site: Site) -> None:
    answer = site.query("{ myKillmails { killmailId } }")
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert answer["data"] is None


def test_my_killmails_are_those_of_all_my_characters(site: Site) -> None:
    engine = site.story.warehouse.engine
    character = site.scalar("select character_id from marts.mart_character_all_time order by kills desc limit 1")
    values = {"id": character}
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
                insert into ops.sign_ins (character_id, character_name, account_id, owner_hash, scopes, state,
                    corporation_state, tier) values (:id, 'A pilot', 77, 'x', '{}', 'active', 'not granted', 'standard')
            """),
            values,
        )
        token = new_token(connection, "a script", ["read"], account_id=77)
    try:
        query = "{ myKillmails(limit: 5) { killmailId victim { characterId shipTypeId } } }"
        mine = site.query(query, token=token)["data"]["myKillmails"]
        rows = site.story.warehouse.rows(
            f"""select killmail_id from marts.fct_killmails k where victim_character_id = {character} or exists (
                select from marts.fct_attackers a where a.killmail_id = k.killmail_id and a.character_id = {character})
                order by killmail_time desc, killmail_id desc limit 5"""
        )
        assert [row["killmailId"] for row in mine] == [id_ for (id_,) in rows]
        refused = site.query("mutation { syncMyKillmails { success } }", token=token)
        assert refused["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("delete from ops.sign_ins where character_id = :id"), values)
            connection.execute(sa.text("delete from ops.api_tokens"))


def test_a_hundred_killmails_with_everything_take_twelve_statements(site: Site, statements: list[str]) -> None:
    asked = site.query(EVERYTHING)
    assert "errors" not in asked, asked["errors"][:1]
    assert len(asked["data"]["killmails"]["nodes"]) == 100
    reads = [statement for statement in statements if "marts." in statement or "raw." in statement]
    assert 5 <= len(reads) <= 12, reads


def test_all_pages_together_are_all_killmails_with_the_marts_numbers(site: Site) -> None:
    after, nodes = None, []
    while True:
        page = site.query(EVERYTHING, {"after": after})["data"]["killmails"]
        nodes += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    rows = site.story.warehouse.rows(
        "select killmail_id, killmail_hash, total_value, attacker_count from marts.fct_killmails "
        "order by killmail_time desc, killmail_id desc"
    )
    asked = [(n["killmailId"], n["killmailHash"], round(n["totalValue"], 2), n["attackerCount"]) for n in nodes]
    assert asked == [(id_, hash_, round(float(value), 2), count) for id_, hash_, value, count in rows]
    assert sum(len(node["attackers"]) for node in nodes) == site.scalar("select count(*) from marts.fct_attackers")
    assert sum(len(node["items"]) for node in nodes) == site.scalar("select count(*) from marts.fct_items")
    assert all(sum(attacker["finalBlow"] for attacker in node["attackers"]) == 1 for node in nodes)


@pytest.mark.parametrize(
    ("filters", "condition"),
    [
        ({"solo": True}, "is_solo_zkb"),
        ({"npc": False, "minValue": 1e8}, "not is_npc_zkb and total_value >= 1e8"),
        ({"securityBands": ["ABYSSAL", "W_SPACE"]}, "security_band_zkb in ('abyssal', 'w-space')"),
        (
            {"since": "2018-01-01T00:00:00Z", "until": "2020-01-01T00:00:00Z"},
            "killmail_time between '2018-01-01' and '2020-01-01'",
        ),
        ({"minAttackers": 10, "maxAttackers": 50}, "attacker_count between 10 and 50"),
        ({"war": True}, "is_war"),
        (
            {"entities": [{"kind": "SHIP_GROUP", "id": 25, "side": "LOSSES"}, {"kind": "REGION", "id": 10000069}]},
            "victim_ship_group_id = 25 and region_id = 10000069",
        ),
    ],
)
def test_a_filter_finds_what_sql_finds(site: Site, filters: dict[str, Any], condition: str) -> None:
    query = "query ($filter: KillmailFilter) { killmails(filter: $filter, first: 200) { nodes { killmailId } } }"
    answer = site.query(query, {"filter": filters})
    assert "errors" not in answer, answer
    expected = site.story.warehouse.rows(f"select killmail_id from marts.fct_killmails where {condition}")
    found = {node["killmailId"] for node in answer["data"]["killmails"]["nodes"]}
    assert found == {id_ for (id_,) in expected}
    assert found


def test_entities_have_their_numbers_by_day_month_and_all_time(site: Site) -> None:
    id_ = site.scalar("select alliance_id from marts.mart_alliance_all_time order by kills desc limit 1")
    query = """query ($id: Int!) { entity(kind: ALLIANCE, id: $id) {
        name url allTime { kills losses iskDestroyed } monthly { month kills } rivals { entity { id } kills }
        companions { entity { id name } kills } killmails(side: KILLS, first: 200) { nodes { killmailId } } } }"""
    found = site.query(query, {"id": id_})["data"]["entity"]
    kills = site.scalar(f"select kills from marts.mart_alliance_all_time where alliance_id = {id_}")
    assert int(found["allTime"]["kills"]) == kills == sum(int(month["kills"]) for month in found["monthly"])
    assert len(found["killmails"]["nodes"]) == kills
    assert found["rivals"]
    assert site.query("{ entity(kind: CHARACTER, id: 1) { name } }")["data"]["entity"] is None


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ " + " ".join(f"a{n}: build {{ asOf }}" for n in range(40)) + " }", "aliases"),
        ("{ killmails(first: 200) { nodes { attackers { character { monthly { kills } } } } } }", "cost"),
        (
            "{ ...A } fragment A on Query { killmails(first: 200) { nodes { lineage { source } items { flag } } } }",
            "cost",
        ),
        ("{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }", "itself"),
        (
            "{ entity(kind: SYSTEM, id: 1) { "
            + "killmails { nodes { solarSystem { " * 5
            + "id"
            + " } } }" * 5
            + " } }",
            "depth",
        ),
        ("{ killmails(first: 201) { nodes { killmailId } } }", "between 1 and 200"),
        ("{ killmails(first: -1) { nodes { killmailId } } }", "between 1 and 200"),
        ('{ killmails(after: "x") { nodes { killmailId } } }', "no cursor"),
        ('{ topLosses(day: "yesterday") { rank } }', "written as 2026-08-21"),
        ('{ killmails(filter: {since: "now"}) { nodes { killmailId } } }', "written as 2026-08-21T17:05:00Z"),
        ("{ nothing }", "Cannot query field"),
        ("{", "Syntax Error"),
        ("{ " + "build { asOf } " * 2_500 + " }", "token"),
    ],
)
def test_abuse_is_refused_with_a_reason(site: Site, query: str, said: str) -> None:
    answer = site.query(query)
    assert said.lower() in json.dumps(answer["errors"]).lower()
    assert all(error["extensions"]["code"] != "INTERNAL" for error in answer["errors"])


def test_large_and_foreign_bodies_are_refused(site: Site) -> None:
    url = f"{site.url}/graphql"
    large = requests.post(url, data=b'{"query": "' + b"x" * 10_000_000 + b'"}', headers=JSON, timeout=60)
    assert large.status_code == 413
    assert requests.post(url, data={"query": "{ build { asOf } }"}, timeout=60).status_code == 415
    assert requests.post(url, data=b"nonsense", headers=JSON, timeout=60).status_code == 400
    assert requests.post(url, data=b"[]", headers=JSON, timeout=60).status_code == 400
    assert requests.post(url, data=b'{"query": 7}', headers=JSON, timeout=60).status_code == 400
    assert "type Query" in site.get("/graphql").text


JSON = {"Content-Type": "application/json"}


def test_what_the_operator_has_to_mend_is_no_answer_for_those_elsewhere(platform: Platform) -> None:
    body = {"query": "{ workerStatus { healthy problems } }"}
    with serving(platform.settings.with_values(min_free_gib=1_000_000), platform.engine) as url:
        for headers, is_here in (({}, True), ({"X-Forwarded-For": "203.0.113.9"}, False)):
            status = requests.post(f"{url}/graphql", json=body, headers=headers, timeout=60).json()["data"][
                "workerStatus"
            ]
            assert (status["healthy"], bool(status["problems"])) == (False, is_here)


def test_an_answer_is_not_made_again_before_the_next_build(site: Site, statements: list[str]) -> None:
    body = {"query": "{ leaderboard(kind: SHIP_TYPE, metric: LOSSES, period: ALL) { rank value } }"}
    first = requests.post(f"{site.url}/graphql", json=body, timeout=60)
    statements.clear()
    again = requests.post(
        f"{site.url}/graphql", json=body, headers={"If-None-Match": first.headers["ETag"]}, timeout=60
    )
    assert (again.status_code, again.content) == (304, b"")
    assert [statement for statement in statements if "marts." in statement] == []
    engine = site.story.warehouse.engine
    later = "update ops.transform_builds set built_at = built_at + interval '1 second'"
    with engine.begin() as connection:
        connection.execute(sa.text(later))
    built = requests.post(
        f"{site.url}/graphql", json=body, headers={"If-None-Match": first.headers["ETag"]}, timeout=60
    )
    assert built.status_code == 200
    live = requests.post(f"{site.url}/graphql", json={"query": "{ build { stored } }"}, timeout=60)
    assert "ETag" not in live.headers


def test_who_asks_too_often_reads_when_to_come_back(platform: Platform) -> None:
    limited = platform.settings.with_values(api_requests_anonymous=3, api_requests_known=5)
    body = {"query": "{ __typename }"}
    with serving(limited, platform.engine) as one, serving(limited, platform.engine) as two:
        platform.execute("delete from ops.api_requests")
        statuses = [requests.post(f"{url}/graphql", json=body, timeout=60).status_code for url in (one, two) * 4]
        refused = requests.post(f"{two}/graphql", json=body, timeout=60)
        if refused.status_code == 429:  # else a new minute has begun
            assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert statuses.count(200) <= 6  # a minute may have ended in between
        assert 429 in statuses
        with platform.engine.begin() as connection:
            token = new_token(connection, "a script", ["read"])
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.post(f"{one}/graphql", json=body, headers=headers, timeout=60).status_code == 200


def test_tokens_expire_and_are_revoked(platform: Platform) -> None:
    closed = platform.settings.with_values(api_public=False)
    body = {"query": "{ __typename }"}

    def ask(url: str, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.post(f"{url}/graphql", json=body, headers=headers, timeout=60).status_code

    with serving(closed, platform.engine) as url:
        assert (ask(url, ""), ask(url, "kr_wrong"), ask(url, "x")) == (401, 401, 401)
        assert requests.get(f"{url}/api/solo/", timeout=60).status_code == 401
        with platform.engine.begin() as connection:
            token = new_token(connection, "a script", ["read"], days=1)
            other = new_token(connection, "another", ["read"])
        assert (ask(url, token), ask(url, other)) == (200, 200)
        hashes = platform.rows("select token_hash from ops.api_tokens where last_used_at is not null")
        assert len(hashes) == 2
        assert all(secret not in str(hashes) for secret in (token, other))
        platform.execute("update ops.api_tokens set expires_at = now() where name = 'a script'")
        with platform.engine.begin() as connection:
            id_ = platform.scalar("select left(token_hash, 12) from ops.api_tokens where name = 'another'")
            revoke_token(connection, id_)
        assert (ask(url, token), ask(url, other)) == (401, 401)


def test_another_sites_page_cannot_use_a_session(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    body = {"query": "{ myKillmails { killmailId } }"}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = visitor.session.post(f"{visitor.url}/graphql", json=body, headers=headers, timeout=60).json()
        assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


def test_signing_out_ends_every_session_of_the_account_at_once(platform: Platform, visitor: Visitor, url: str) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    phone = Visitor(url)
    phone.sign_in(BODIES_CHARACTER)
    copied = dict(phone.session.cookies)
    assert "Your characters" in phone.get().text
    visitor.post("/sign-out")
    assert "Your characters" not in phone.get().text
    thief = Visitor(url)
    thief.session.cookies.update(copied)
    body = {"query": "{ myKillmails { killmailId } }"}
    answer = thief.session.post(f"{url}/graphql", json=body, headers={"Origin": url}, timeout=60).json()
    assert answer["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    phone.sign_in(BODIES_CHARACTER)
    assert "Your characters" in phone.get().text


def test_new_killmails_come_over_websocket_and_server_sent_events(site: Site) -> None:
    query = {"query": "subscription { newKillmail { killmailId url } }"}
    address = site.url.replace("http://", "ws://") + "/graphql"
    stream = requests.post(
        f"{site.url}/graphql", json=query, headers={"Accept": "text/event-stream"}, stream=True, timeout=60
    )
    feed = requests.get(f"{site.url}/feed", stream=True, timeout=60)
    with connect(address, subprotocols=["graphql-transport-ws"]) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init"}))
        assert json.loads(socket.recv(60))["type"] == "connection_ack"
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": query}))
        ending = threading.Event()
        announcing = threading.Thread(target=_announce_until, args=(site, ending))
        announcing.start()
        try:
            message = json.loads(socket.recv(60))
            assert message["payload"]["data"]["newKillmail"] == {"killmailId": 435341, "url": "/kill/435341"}
            assert any(b"435341" in line for line in stream.iter_lines())
            assert any(b"435341" in line for line in feed.iter_lines())
        finally:
            ending.set()
            announcing.join()
            stream.close()
            feed.close()


def _announce_until(site: Site, ending: threading.Event) -> None:
    """Announce a killmail again and again: a reader may begin to listen at any moment."""
    while not ending.wait(timedelta(seconds=0.2).total_seconds()):
        with site.story.warehouse.engine.begin() as connection:
            announce(connection, [435341])

"""The killmail writer on a real PostgreSQL: whole, once, and nothing lost to a bad neighbour."""

import threading
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World
from killreport_assets.sources.zkb_block import zkillboard_values
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.repairs import killmails_with_two_times, reject_duplicates
from killreport_assets.store.stored_killmails import write_zkillboard_values
from killreport_assets_testing import genuine


def _scalar(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        value: int = connection.execute(sa.text(query)).scalar_one()
    return value


def test_every_genuine_killmail_is_stored_whole(engine: Engine) -> None:
    report = write_killmails(engine, genuine.bodies(), "everef")
    assert len(report.stored) == 394
    assert report.rejected == []
    # The same counts by other means: straight from the file.
    lines = [line["esi"] for line in genuine.records()]
    items = [item for body in lines for item in body["victim"].get("items", [])]
    nested = sum(len(item.get("items", [])) for item in items)
    assert _scalar(engine, "select count(*) from raw.killmail_attackers") == sum(len(b["attackers"]) for b in lines)
    assert _scalar(engine, "select count(*) from raw.killmail_items") == len(items) + nested
    assert _scalar(engine, "select count(*) from raw.killmail_items where parent_index is not null") == nested


def test_what_is_stored_is_what_came(engine: Engine) -> None:
    lines = genuine.tagged("nested_items") + genuine.tagged("moon_id") + genuine.tagged("recent")
    write_killmails(engine, [KillmailBody(line["esi"], line["killmail_hash"]) for line in lines], "r2z2")
    with engine.connect() as connection:
        for line in lines:
            assert _read_back(connection, line["killmail_id"]) == _comparable(line["esi"])


def _read_back(connection: sa.Connection, killmail_id: int) -> dict[str, object]:
    of_it = {"id": killmail_id}
    mail = connection.execute(sa.text("select * from raw.killmails where killmail_id = :id"), of_it).mappings().one()
    attackers = connection.execute(
        sa.text("select * from raw.killmail_attackers where killmail_id = :id order by attacker_index"), of_it
    ).mappings()
    items = connection.execute(
        sa.text("select * from raw.killmail_items where killmail_id = :id order by item_index"), of_it
    ).mappings()
    keys = ("character_id", "corporation_id", "alliance_id", "faction_id")
    body: dict[str, object] = {
        "killmail_id": mail["killmail_id"],
        "solar_system_id": mail["solar_system_id"],
        "killmail_time": mail["killmail_time"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "moon_id": mail["moon_id"],
        "war_id": mail["war_id"],
        "victim": {key: mail[f"victim_{key}"] for key in (*keys, "ship_type_id", "damage_taken")},
        "position": tuple(mail[f"position_{axis}"] for axis in "xyz"),
        "attackers": [
            {
                key: row[key]
                for key in (*keys, "ship_type_id", "weapon_type_id", "damage_done", "final_blow", "security_status")
            }
            for row in attackers
        ],
    }
    rows = list(items)
    parents = {row["item_index"]: row["item_type_id"] for row in rows}
    body["items"] = [
        (
            row["item_type_id"],
            row["flag"],
            row["singleton"],
            row["quantity_destroyed"],
            row["quantity_dropped"],
            parents.get(row["parent_index"]),
        )
        for row in rows
    ]
    return body


def _comparable(esi: dict[str, object]) -> dict[str, object]:
    victim: dict[str, object] = esi["victim"]  # type: ignore[assignment]
    position = victim.get("position") or {}
    keys = ("character_id", "corporation_id", "alliance_id", "faction_id", "ship_type_id")
    flat = []
    for item in victim.get("items", []):  # type: ignore[attr-defined]
        flat.append((item, None))
        flat += [(inner, item["item_type_id"]) for inner in item.get("items", [])]
    return {
        "killmail_id": esi["killmail_id"],
        "solar_system_id": esi["solar_system_id"],
        "killmail_time": esi["killmail_time"],
        "moon_id": esi.get("moon_id"),
        "war_id": esi.get("war_id"),
        "victim": {key: victim.get(key) for key in (*keys, "damage_taken")},
        "position": tuple(position.get(axis) for axis in "xyz"),  # type: ignore[attr-defined]
        "attackers": [
            {
                key: attacker.get(key)
                for key in (*keys, "weapon_type_id", "damage_done", "final_blow", "security_status")
            }
            for attacker in esi["attackers"]  # type: ignore[attr-defined]
        ],
        "items": [
            (i["item_type_id"], i["flag"], i["singleton"], i.get("quantity_destroyed"), i.get("quantity_dropped"), up)
            for i, up in flat
        ],
    }


def test_a_second_time_stores_nothing(engine: Engine) -> None:
    write_killmails(engine, genuine.bodies(), "everef")
    again = write_killmails(engine, genuine.bodies(), "r2z2")
    assert again.stored == []
    assert len(again.already_there) == 394
    assert (again.attackers, again.items) == (0, 0)
    assert _scalar(engine, "select count(*) from raw.killmails where source = 'everef'") == 394


def test_a_rejected_killmail_is_kept_and_stops_no_other(engine: Engine) -> None:
    no_final_blow = genuine.record(435341)
    no_final_blow["esi"]["attackers"][0]["final_blow"] = False
    wrong_hash, text_for_id = genuine.record(4289452), genuine.record(12456829)
    text_for_id["esi"]["victim"]["ship_type_id"] = "644"
    bad = [
        KillmailBody(no_final_blow["esi"], no_final_blow["killmail_hash"]),
        KillmailBody(wrong_hash["esi"], "0" * 40),
        KillmailBody(text_for_id["esi"], text_for_id["killmail_hash"]),
        KillmailBody('{"killmail_id": 5, "killmail_ti'),
        KillmailBody({"killmail_id": 2**70, "nul": "a\x00b"}),
    ]
    good = [body for body in genuine.bodies(50) if body.body["killmail_id"] not in {435341, 4289452, 12456829}]
    for _ in range(2):  # the same rejection is kept once
        report = write_killmails(engine, [*bad, *good], "zkillboard")
        assert len(report.rejected) == 5
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select killmail_id, reason from ops.rejected_killmails order by 1")).all()
    reasons = {row.killmail_id: row.reason for row in rows}
    assert len(rows) == 5
    assert "exactly one must" in reasons[435341]
    assert "is not this body's" in reasons[4289452]
    assert reasons[12456829].startswith("victim.ship_type_id")
    assert _scalar(engine, "select count(*) from raw.killmails") == len(good)


def test_without_a_hash_an_id_with_another_time_is_rejected(engine: Engine) -> None:
    line = genuine.record(435341)
    write_killmails(engine, [KillmailBody(line["esi"], line["killmail_hash"])], "everef")
    line["esi"]["killmail_time"] = "2008-01-06T00:45:00Z"
    report = write_killmails(engine, [KillmailBody(line["esi"])], "zkillboard")
    assert report.rejected[0][0] == 435341
    assert "stored with 2008-01-06T00:44:00Z" in report.rejected[0][1]
    assert _scalar(engine, "select count(*) from raw.killmails") == 1


def test_one_batch_with_an_id_twice_stores_it_once(engine: Engine) -> None:
    line = genuine.record(435341)
    other = genuine.record(435341)
    other["esi"]["killmail_time"] = "2009-01-01T00:00:00Z"
    bodies = [KillmailBody(line["esi"], line["killmail_hash"])] * 2 + [KillmailBody(other["esi"])]
    report = write_killmails(engine, bodies, "everef")
    assert (report.stored, report.already_there, len(report.rejected)) == ([435341], [435341], 1)


def test_nothing_is_left_of_a_transaction_that_fails(engine: Engine) -> None:
    with engine.connect() as connection:
        write_killmails_in(connection, genuine.bodies(20), "everef")
        connection.rollback()
    for table in ("raw.killmails", "raw.killmail_attackers", "raw.killmail_items", "ops.entity_pending"):
        assert _scalar(engine, f"select count(*) from {table}") == 0


def test_several_writers_at_once_store_each_killmail_once(engine: Engine) -> None:
    reports = []
    bodies = genuine.bodies()

    def write(part: list[KillmailBody]) -> None:
        reports.append(write_killmails(engine, part, "everef"))

    orders = [bodies, bodies[::-1], bodies[200:] + bodies[:200]]
    threads = [threading.Thread(target=write, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 3
    assert sum(len(report.stored) for report in reports) == 394
    assert _scalar(engine, "select count(*) from raw.killmail_attackers") == 4664


@hypothesis_settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_sequence_of_overlapping_writes_gives_the_same_tables(engine: Engine, data: st.DataObject) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("truncate raw.killmails, raw.killmail_attackers, raw.killmail_items"))
    bodies = genuine.bodies(40)
    writes = data.draw(st.lists(st.lists(st.sampled_from(range(40)), max_size=20), max_size=6))
    for indexes in writes:
        write_killmails(engine, [bodies[index] for index in indexes], "everef")
    wanted = {index for indexes in writes for index in indexes}
    attackers = sum(len(bodies[index].body["attackers"]) for index in wanted)
    assert _scalar(engine, "select count(*) from raw.killmails") == len(wanted)
    assert _scalar(engine, "select count(*) from raw.killmail_attackers") == attackers


def test_partitions_are_made_for_the_months_that_come(engine: Engine) -> None:
    times = [datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)]
    assert len(ensure_months(engine, times)) == 6
    assert ensure_months(engine, times) == []
    made = GeneratedKillmails(World())
    bodies = [KillmailBody(*made.killmail(index, time)) for index, time in enumerate(times)]
    write_killmails(engine, bodies, "everef")
    assert _scalar(engine, "select count(*) from partitions.killmails_2024_12") == 1
    assert _scalar(engine, "select count(*) from partitions.killmails_2025_01") == 1
    in_sight = "select count(*) from pg_class where relnamespace = 'raw'::regnamespace and relispartition"
    assert _scalar(engine, f"{in_sight} and relkind = 'r'") == 0


def test_mentions_are_recorded_with_roles_and_npc_characters_left_out(engine: Engine) -> None:
    line = genuine.record(131769911)  # NPC characters among the attackers
    write_killmails(engine, [KillmailBody(line["esi"], line["killmail_hash"])], "everef")
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select * from ops.enrichments")).mappings().all()
    characters = {row["entity_id"]: row["roles"] for row in rows if row["entity_kind"] == "character"}
    victim = line["esi"]["victim"]
    assert characters == {victim["character_id"]: ["victim"]}
    types = {row["entity_id"]: row["roles"] for row in rows if row["entity_kind"] == "type"}
    assert "ship" in types[victim["ship_type_id"]]
    assert {"item"} <= {role for roles in types.values() for role in roles}
    assert {row["outcome"] for row in rows} == {"pending"}


def test_every_killmail_that_mentions_an_unknown_entity_is_a_cause(engine: Engine) -> None:
    write_killmails(engine, genuine.bodies(), "everef")
    pilot = 580797163
    mentioned = {
        line["killmail_id"]
        for line in genuine.records()
        for one in [*line["esi"]["attackers"], line["esi"]["victim"]]
        if one.get("character_id") == pilot
    }
    query = "select killmail_id from ops.enrichments where entity_kind = 'character' and entity_id = :pilot"
    with engine.connect() as connection:
        causes = set(connection.execute(sa.text(query), {"pilot": pilot}).scalars())
    assert causes == mentioned
    assert _scalar(engine, f"select count(*) from ops.entity_pending where entity_id = {pilot}") == 1


def test_known_entities_are_not_pending(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("insert into raw.characters (character_id, source) values (580797163, 'esi')"))
    write_killmails(engine, genuine.bodies(), "everef")
    assert _scalar(engine, "select count(*) from ops.entity_pending where entity_id = 580797163") == 0


def test_made_killmails_of_both_profiles_are_stored(engine: Engine) -> None:
    made = GeneratedKillmails(World(), profile="history")
    first = datetime(2025, 1, 1, tzinfo=UTC)
    bodies = [KillmailBody(*killmail) for killmail in made.spread(200, first, first + timedelta(days=40))]
    assert len(write_killmails(engine, bodies, "everef").stored) == 200


def test_of_zkillboards_blocks_the_one_observed_last_wins(engine: Engine) -> None:
    early, late = datetime(2026, 8, 1, tzinfo=UTC), datetime(2026, 8, 2, tzinfo=UTC)

    def rows(*observed: tuple[datetime, float]) -> list[dict[str, object]]:
        return [zkillboard_values(435341, {"totalValue": value}, time) for time, value in observed]

    for batch in (rows((late, 2.0), (early, 1.0)), rows((early, 3.0))):
        with engine.begin() as connection:
            write_zkillboard_values(connection, batch)
        assert _scalar(engine, "select total_value::int from raw.zkillboard_values") == 2
    with engine.begin() as connection:
        write_zkillboard_values(connection, rows((late, 4.0)))
    assert _scalar(engine, "select total_value::int from raw.zkillboard_values") == 4


def test_a_killmail_that_is_stored_with_two_times_is_found_and_repaired(engine: Engine) -> None:
    line = genuine.record(435341)
    write_killmails(engine, [KillmailBody(line["esi"], line["killmail_hash"])], "r2z2")
    later = line["esi"] | {"killmail_time": "2020-01-01T00:00:00Z"}
    write_killmails(engine, [KillmailBody(later | {"killmail_id": 9})], "everef")
    with engine.begin() as connection:  # as an earlier version stored it
        for table in ("killmails", "killmail_attackers", "killmail_items"):
            connection.execute(sa.text(f"update raw.{table} set killmail_id = 435341 where killmail_id = 9"))
        connection.execute(sa.text("truncate ops.changed_days"))
        [found] = killmails_with_two_times(connection)
    assert (found.killmail_id, f"{found.killmail_time:%F}", found.source) == (435341, "2020-01-01", "everef")
    assert reject_duplicates(engine) == [found]
    with engine.connect() as connection:
        assert killmails_with_two_times(connection) == []
        [stored] = connection.execute(sa.text("select killmail_time, source from raw.killmails"))
        assert stored.source == "r2z2"
        attackers = connection.execute(sa.text("select count(*) from raw.killmail_attackers")).scalar()
        assert attackers == len(line["esi"]["attackers"])
        assert "stored later" in connection.execute(sa.text("select reason from ops.rejected_killmails")).scalar_one()
        assert (
            f"{connection.execute(sa.text('select killmail_date from ops.changed_days')).scalar_one()}" == "2020-01-01"
        )
    assert reject_duplicates(engine) == []

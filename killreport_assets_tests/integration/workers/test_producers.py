"""Producers on real servers: what is missing or stale is asked for, once; names and affiliations come in bulk."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from killreport_assets.base.errors import UserError
from killreport_assets.models.ids import EntityKind
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.queues.catalogue import (
    ALLIANCE_CORPORATIONS,
    ALLIANCES,
    CHARACTERS,
    CORPORATIONS,
    TYPES,
    ZKILLBOARD_CHARACTERS,
)
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER, World
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store import followed, lineage
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.store.mentions import neither_known_nor_pending, without_lineage
from killreport_assets.store.places import PLAYER_KINDS
from killreport_assets.workers.affiliations import refresh_affiliations
from killreport_assets.workers.handlers.zkillboard_lists import ZkillboardCharacterHandler
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_ids, publish_pending
from killreport_assets.workers.registry import producer
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()


def test_all_alliances_are_queued_and_none_twice(platform: Platform) -> None:
    first = platform.produce("alliances")
    assert (first.found, first.requested, first.published) == (len(WORLD.alliances),) * 3
    again = platform.produce("alliances")  # the first run's messages are still queued
    assert (again.found, again.requested, again.published) == (len(WORLD.alliances), 0, 0)
    assert platform.broker.depth(ALLIANCES.name).ready == len(WORLD.alliances)
    assert platform.entities("alliance").outcomes == {"stored": len(WORLD.alliances)}
    assert platform.produce("alliances").found == 0  # all are known and fresh now


def test_what_is_stale_is_queued_again_and_what_is_gone_or_closed_is_not(platform: Platform, sandbox: Sandbox) -> None:
    ids = sorted(WORLD.alliances)[:4]
    publish_ids(platform.broker, ALLIANCES, ids)
    platform.entities("alliance")
    platform.execute("update raw.alliances set fetched_at = now() - interval '8 days'")
    platform.execute(f"update raw.alliances set gone_at = now() where alliance_id = {ids[0]}")
    closed = 99_499_999  # ESI does not list it
    platform.execute(
        "insert into raw.alliances (alliance_id, source, fetched_at, closed_at) "
        f"values ({closed}, 'esi', now() - interval '9 days', now())"
    )
    sandbox.reset()
    produced = producer("alliances").find(platform.engine, platform.esi, timedelta(days=7))
    assert {*ids, closed} & set(produced) == set(ids[1:])
    assert platform.produce("alliances", ids=ids[2:]).requested == 2
    assert platform.entities("alliance").outcomes == {"stored": 2}
    assert sandbox.statistics()["answers"]["esi 304"] == 2  # asked with their ETags: nothing had changed
    fetched = platform.rows("select alliance_id from raw.alliances where fetched_at > now() - interval '1 hour'")
    assert {row[0] for row in fetched} == set(ids[2:])


def test_alliances_lists_lead_to_unknown_corporations_and_closed_alliances(platform: Platform) -> None:
    open_one = next(a for c, a in WORLD.alliance_of.items() if a)
    listed = {c for c, a in WORLD.alliance_of.items() if a == open_one}
    closed = 99_499_999  # no alliance of the sandbox's: its list is empty
    platform.execute(
        f"insert into raw.alliances (alliance_id, name, source) values ({open_one}, 'A', 'esi'), ({closed}, 'B', 'esi')"
    )
    assert platform.produce("alliance_corporations").published == 2
    assert platform.produce("alliance_corporations").published == 0
    report = platform.alliance_corporations()
    assert (report.outcomes["stored"], report.requested, report.published) == (2, len(listed), len(listed))
    assert platform.broker.depth(CORPORATIONS.name).ready == len(listed)
    assert {row[1] for row in platform.rows("select * from raw.alliance_corporations")} == listed
    assert platform.rows("select alliance_id from raw.alliances where closed_at is not null") == [(closed,)]
    assert platform.produce("alliance_corporations").found == 1
    assert platform.alliance_corporations().outcomes == {"unchanged": 1}  # ESI caches the list for an hour


def test_corporations_are_npc_ones_and_those_of_alliances_characters_and_killmails(platform: Platform) -> None:
    npc = {id_ for id_ in WORLD.alliance_of if id_ < 2_000_000}
    platform.execute(
        "insert into raw.characters (character_id, name, corporation_id, source) "
        "values (90000001, 'x', 98000001, 'esi')"
    )
    platform.execute("insert into raw.alliance_corporations (alliance_id, corporation_id) values (99000001, 98000002)")
    platform.execute(
        "insert into raw.alliances (alliance_id, executor_corporation_id, creator_corporation_id, source) "
        "values (99000001, 98000003, 98000004, 'esi')"
    )
    write_killmails(platform.engine, genuine.bodies(3), "everef")
    killmails = {
        row[0] for row in platform.rows("select entity_id from ops.entity_pending where entity_kind = 'corporation'")
    }
    platform.produce("corporations")
    queued = {int(id_.split(":")[1]) for id_ in platform.message_ids(CORPORATIONS)}
    assert queued == npc | killmails | {98000001, 98000002, 98000003, 98000004}


def test_characters_and_types_are_those_of_killmails_missing_or_stale(platform: Platform) -> None:
    write_killmails(platform.engine, genuine.bodies(2), "everef")
    pending = dict(platform.rows("select entity_kind, count(*) from ops.entity_pending group by 1"))
    assert platform.produce("characters").published == sum(pending.values())  # all that is pending
    assert platform.broker.depth(CHARACTERS.name).ready == pending["character"]
    platform.execute(
        "insert into raw.types (type_id, name, source, fetched_at) values "
        "(34, 'Tritanium', 'sde', now() - interval '1 year'), (90000, 'x', 'esi', now() - interval '8 days')"
    )
    assert platform.produce("types").requested == 1  # the static data keeps its own types
    assert "type:90000" in platform.message_ids(TYPES)


def test_npc_characters_are_never_asked_for(platform: Platform) -> None:
    platform.execute(
        "insert into raw.characters (character_id, name, source, fetched_at) values "
        "(3004341, 'an agent', 'esi', now()), (90000001, 'x', 'esi', now() - interval '9 days')"
    )
    assert platform.produce("characters").found == 1


def test_followed_characters_and_members_are_listed_hourly(platform: Platform) -> None:
    with platform.engine.begin() as connection:
        assert followed.follow(connection, "character", BODIES_CHARACTER)
        assert not followed.follow(connection, "character", BODIES_CHARACTER)
        assert followed.follow(connection, "corporation", 98000001)
        assert followed.follow(connection, "alliance", 99000001)
    platform.execute(
        "insert into raw.characters (character_id, name, corporation_id, alliance_id, source) values "
        f"({IDS_CHARACTER}, 'x', 98000001, null, 'esi'), (90000002, 'y', 98000002, 99000001, 'esi'), "
        "(90000003, 'z', 98000003, null, 'esi'), (3004341, 'agent', 98000001, null, 'esi')"
    )
    assert platform.produce("character_killmails").published == 3
    assert platform.produce("character_killmails").published == 0
    handler = ZkillboardCharacterHandler(Zkillboard(platform.settings, platform.engine), platform.engine)
    assert platform.work(handler, LONG_IDLE).outcomes["stored"] == 3
    assert platform.produce("character_killmails").found == 0  # zKillboard's lists are cached for an hour
    platform.execute("update ops.syncs set started_at = now() - interval '61 minutes'")
    assert platform.produce("character_killmails").found == 3
    with platform.engine.begin() as connection:
        listed = followed.list_followed(connection)
        assert [(one.kind, one.characters) for one in listed] == [("alliance", 1), ("character", 1), ("corporation", 2)]
        assert followed.unfollow(connection, "alliance", 99000001)
        assert not followed.unfollow(connection, "alliance", 99000001)
    assert platform.produce("character_killmails").found == 2


def test_a_list_that_was_just_read_is_not_read_again(platform: Platform, sandbox: Sandbox) -> None:
    handler = ZkillboardCharacterHandler(Zkillboard(platform.settings, platform.engine), platform.engine)
    for _ in range(2):
        publish_ids(platform.broker, ZKILLBOARD_CHARACTERS, [BODIES_CHARACTER])
        report = platform.work(handler)
    assert report.outcomes == {"unchanged": 1}
    assert sandbox.statistics()["requests"]["zkillboard"] == 2  # a page and the empty one after it


def test_urgent_work_goes_to_the_priority_lane_even_if_it_is_queued(platform: Platform) -> None:
    platform.produce("characters", ids=[BODIES_CHARACTER, IDS_CHARACTER])
    assert platform.produce("characters", ids=[IDS_CHARACTER], urgent=True).requested == 1
    assert platform.produce("characters", ids=[IDS_CHARACTER], urgent=True).requested == 0
    assert platform.message_ids(CHARACTERS, "__urgent") == [f"character:{IDS_CHARACTER}"]
    report = platform.entities("character")
    assert report.sample[0]["character_id"] == IDS_CHARACTER
    assert platform.scalar("select count(*) from ops.entity_pending") == 0


def test_what_young_killmails_mention_goes_first(platform: Platform) -> None:
    made, now = GeneratedKillmails(WORLD), datetime.now(UTC)
    old, young = made.killmail(0, now - timedelta(hours=2)), made.killmail(1, now)
    write_killmails(platform.engine, [KillmailBody(*old), KillmailBody(*young)], "r2z2")
    publish_pending(platform.engine, platform.broker)
    urgent = {int(id_.split(":")[1]) for id_ in platform.message_ids(CHARACTERS, "__urgent")}
    normal = {int(id_.split(":")[1]) for id_ in platform.message_ids(CHARACTERS)}
    pilots = [young[0]["victim"]["character_id"], *(a["character_id"] for a in young[0]["attackers"])]
    assert urgent == set(pilots)
    assert normal


def test_an_unknown_producer_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match="alliance_corporations"):
        producer("users")


def test_names_come_first_in_bulk_and_leave_the_bodies_pending(platform: Platform, sandbox: Sandbox) -> None:
    write_killmails(platform.engine, genuine.bodies(200), "everef")
    pending = platform.scalar("select count(*) from ops.entity_pending")
    report = resolve_names(platform.engine, platform.esi)
    assert (report.named, report.unnameable, report.stopped_by) == (pending, 0, None)
    assert sandbox.statistics()["requests"]["esi"] == -(-pending // 1000)
    assert platform.scalar("select count(*) from ops.entity_pending") == pending
    assert platform.scalar("select count(*) from raw.entity_names where entity_kind = 'type'") > 0
    assert platform.scalar("select name from raw.entity_names where entity_id = 580797163") == "Sandbox Pilot 580797163"
    assert resolve_names(platform.engine, platform.esi).named == 0
    assert sandbox.statistics()["violations"] == {}


def test_an_id_that_esi_cannot_name_costs_only_itself(platform: Platform, sandbox: Sandbox) -> None:
    unnameable = [2_100_000_001, 2_100_000_002]
    with platform.engine.begin() as connection:
        lineage.request(connection, "character", [*sorted(WORLD.affiliations)[100:400], *unnameable])
    report = resolve_names(platform.engine, platform.esi)
    assert (report.named, report.unnameable) == (300, 2)
    asked = sandbox.statistics()["requests"]["esi"]
    assert resolve_names(platform.engine, platform.esi).named == 0  # not asked again for a day
    assert sandbox.statistics()["requests"]["esi"] == asked
    platform.execute("update raw.entity_names set asked_at = now() - interval '2 days' where name is null")
    assert resolve_names(platform.engine, platform.esi).unnameable == 2


def test_names_that_cannot_be_had_stop_nothing(platform: Platform, sandbox: Sandbox) -> None:
    write_killmails(platform.engine, genuine.bodies(3), "everef")
    sandbox.faults({"path": "/esi/universe/names", "kinds": ["503"]})
    report = resolve_names(platform.engine, platform.esi)
    assert report.named == 0
    assert "503" in str(report.stopped_by)


def test_affiliations_are_kept_as_history(platform: Platform, sandbox: Sandbox) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    platform.entities("character")
    first = dict(platform.rows("select character_id, corporation_id from raw.character_affiliations"))
    assert first[BODIES_CHARACTER] == WORLD.affiliations[BODIES_CHARACTER][0]
    sandbox.move(BODIES_CHARACTER, 98_000_077, 99_000_077)
    before = datetime.now(UTC)
    report = refresh_affiliations(platform.engine, platform.esi, timedelta(0))
    assert (report.looked_up, report.changed) == (2, 1)
    history = platform.rows(
        "select corporation_id, alliance_id, valid_from, valid_to, learnt_at from raw.character_affiliations "
        f"where character_id = {BODIES_CHARACTER} order by valid_from"
    )
    assert [row[:2] for row in history] == [WORLD.affiliations[BODIES_CHARACTER], (98_000_077, 99_000_077)]
    assert history[0][3] == history[1][2] >= before
    assert history[1][3] is None
    assert history[1][4] >= before
    today = platform.rows(
        f"select corporation_id, alliance_id from raw.characters where character_id = {BODIES_CHARACTER}"
    )
    assert today == [(98_000_077, 99_000_077)]
    assert refresh_affiliations(platform.engine, platform.esi, timedelta(hours=1)).looked_up == 0


def test_a_character_whose_affiliation_is_refused_costs_only_itself(platform: Platform) -> None:
    platform.execute(
        "insert into raw.characters (character_id, name, source) values (90000001, 'deleted', 'esi'), "
        f"({BODIES_CHARACTER}, 'x', 'esi'), ({IDS_CHARACTER}, 'y', 'esi')"
    )
    report = refresh_affiliations(platform.engine, platform.esi, timedelta(hours=24))
    assert (report.looked_up, report.refused, report.stopped_by) == (2, 1, None)


def test_everything_mentioned_is_known_or_pending_and_has_its_cause(platform: Platform) -> None:
    write_killmails(platform.engine, genuine.bodies(120), "everef")
    publish_pending(platform.engine, platform.broker)
    platform.entities("character", LONG_IDLE)
    write_killmails(platform.engine, genuine.bodies(240), "everef")  # mentions some that are known by now
    with platform.engine.connect() as connection:
        for kind in EntityKind:
            assert neither_known_nor_pending(connection, kind).count == 0
        for kind in PLAYER_KINDS:
            assert without_lineage(connection, kind).count == 0
    known_before = platform.scalar(
        "select count(distinct a.character_id) from raw.killmail_attackers a join raw.killmails k using (killmail_id) "
        "join raw.characters c on c.character_id = a.character_id where c.known_since <= k.stored_at"
    )
    assert known_before > 0  # the proof is not that every entity has a row


def test_what_was_forgotten_is_found(platform: Platform) -> None:
    write_killmails(platform.engine, genuine.bodies(30), "everef")
    pilot = platform.scalar("select min(entity_id) from ops.entity_pending where entity_kind = 'character'")
    platform.execute(f"delete from ops.entity_pending where entity_kind = 'character' and entity_id = {pilot}")
    platform.execute(
        "delete from ops.enrichments where entity_kind = 'alliance' and killmail_id = (select min("
        "killmail_id) from ops.enrichments where entity_kind = 'alliance')"
    )
    with platform.engine.connect() as connection:
        found = neither_known_nor_pending(connection, EntityKind.CHARACTER)
        assert (found.count, found.sample) == (1, [pilot])
        assert without_lineage(connection, EntityKind.ALLIANCE).count == 1


def test_an_entity_that_became_known_meanwhile_is_a_cause_all_the_same(platform: Platform) -> None:
    line = genuine.record(435341)
    pilot = line["esi"]["victim"]["character_id"]
    with platform.engine.connect() as writer:
        writer.execute(sa.text("select 1"))  # begins the writer's transaction
        platform.execute(f"insert into raw.characters (character_id, name, source) values ({pilot}, 'x', 'esi')")
        write_killmails_in(writer, [KillmailBody(line["esi"], line["killmail_hash"])], "everef")
        writer.commit()
    assert platform.scalar(f"select count(*) from ops.enrichments where entity_id = {pilot}") == 1
    with platform.engine.connect() as connection:
        assert without_lineage(connection, EntityKind.CHARACTER).count == 0


def test_lists_that_die_are_asked_for_by_the_next_schedule(platform: Platform, sandbox: Sandbox) -> None:
    platform.execute("insert into raw.alliances (alliance_id, source) values (99000001, 'esi')")
    platform.produce("alliance_corporations")
    sandbox.faults({"path": "/esi/alliances/99000001/corporations", "kinds": ["500"]})
    platform.alliance_corporations(LONG_IDLE)
    assert platform.scalar("select count(*) from ops.dead_letters") == 1
    sandbox.faults()
    assert platform.produce("alliance_corporations").published == 1
    assert platform.broker.depth(ALLIANCE_CORPORATIONS.name).ready == 1


def test_ids_that_are_none_are_never_asked_for(platform: Platform) -> None:
    assert platform.produce("characters", ids=[0, -5, BODIES_CHARACTER]).requested == 1
    assert platform.message_ids(CHARACTERS) == [f"character:{BODIES_CHARACTER}"]


def test_a_claim_that_is_no_longer_ours_is_not_confirmed(platform: Platform) -> None:
    platform.produce("characters", ids=[])  # nothing is pending
    with platform.engine.begin() as connection:
        lineage.request(connection, "character", [BODIES_CHARACTER])
        mine = lineage.claim_pending(connection, 1, 10)
    platform.produce("characters", ids=[BODIES_CHARACTER], urgent=True)  # meanwhile it became urgent, and is published
    urgent = platform.message_ids(CHARACTERS, "__urgent")
    platform.execute("update ops.entity_pending set published_at = null, claimed_at = null")
    with platform.engine.begin() as connection:
        lineage.confirm_published(connection, mine)
        lineage.release_claims(connection, mine)
    assert urgent == [f"character:{BODIES_CHARACTER}"]
    assert platform.scalar("select count(*) from ops.entity_pending where published_at is null") == 1


def test_asking_for_an_id_revives_it_and_a_schedule_does_not(platform: Platform) -> None:
    with platform.engine.begin() as connection:
        lineage.request(connection, "character", [BODIES_CHARACTER])
    platform.execute("update ops.entity_pending set dead_at = now(), claimed_at = now(), published_at = now()")
    assert platform.produce("characters").published == 0
    assert platform.produce("characters", ids=[BODIES_CHARACTER]).published == 1


def test_an_alliance_that_esi_lists_is_open(platform: Platform) -> None:
    alliance = min(WORLD.alliances)
    platform.execute(
        "insert into raw.alliances (alliance_id, source, closed_at) "
        f"values ({alliance}, 'esi', now()), (1, 'esi', now())"
    )
    platform.produce("alliances")
    assert platform.rows("select alliance_id from raw.alliances where closed_at is null") == [(alliance,)]


def test_ids_that_esi_cannot_name_do_not_keep_the_others_from_it(platform: Platform, sandbox: Sandbox) -> None:
    good = sorted(WORLD.affiliations)[100:2600]
    bad = [2_100_000_001 + 7 * number for number in range(40)]
    with platform.engine.begin() as connection:
        lineage.request(connection, "character", [*good, *bad])
    looks = [resolve_names(platform.engine, platform.esi) for _ in range(2)]
    assert looks[0].named > len(good) / 2
    assert looks[1].named + looks[1].unnameable > 0  # each look learns something
    assert sandbox.statistics()["violations"] == {}


def test_a_deleted_character_is_found_out_by_its_affiliation(platform: Platform) -> None:
    platform.execute("insert into raw.characters (character_id, name, source) values (90000001, 'deleted', 'esi')")
    assert refresh_affiliations(platform.engine, platform.esi, timedelta(hours=24)).refused == 1
    assert refresh_affiliations(platform.engine, platform.esi, timedelta(hours=24)).refused == 0  # it is pending
    publish_pending(platform.engine, platform.broker)
    assert platform.entities("character").outcomes == {"gone": 1}
    assert refresh_affiliations(platform.engine, platform.esi, timedelta(hours=24)).refused == 0


def test_an_old_body_changes_no_newer_affiliation(platform: Platform, sandbox: Sandbox) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    platform.entities("character")
    sandbox.move(BODIES_CHARACTER, 98_000_077, None)
    refresh_affiliations(platform.engine, platform.esi, timedelta(0))
    sandbox.reset()  # ESI's cache may still have the old body
    platform.execute("update raw.characters set fetched_at = now() - interval '9 days', etag = null")
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    assert platform.entities("character").outcomes == {"stored": 1}
    assert platform.scalar("select count(*) from raw.character_affiliations") == 2
    assert platform.scalar("select corporation_id from raw.character_affiliations where valid_to is null") == 98_000_077


def test_a_listing_that_fails_is_a_row_too_and_is_tried_again(platform: Platform, sandbox: Sandbox) -> None:
    handler = ZkillboardCharacterHandler(Zkillboard(platform.settings, platform.engine), platform.engine)
    sandbox.faults({"path": "/zkillboard", "kinds": ["503"], "times": 1})
    publish_ids(platform.broker, ZKILLBOARD_CHARACTERS, [BODIES_CHARACTER])
    assert platform.work(handler, LONG_IDLE).outcomes == {"retried": 1, "stored": 1}
    rows = platform.rows("select subject, outcome, seconds is not null from ops.syncs order by sync_id")
    subject = f"character:{BODIES_CHARACTER}"
    assert rows == [(subject, "unavailable", True), (subject, "complete", True)]

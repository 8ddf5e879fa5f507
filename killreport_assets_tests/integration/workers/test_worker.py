"""The worker on real servers: killmail to queue to entity, failures by kind, and nothing lost on the way."""

import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.esi.client import EsiClient
from killreport_assets.models.ids import EntityKind
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.queues.broker import WorkerLimits
from killreport_assets.queues.catalogue import ALLIANCES, CHARACTERS, KILLMAILS, TYPES, ZKILLBOARD_CHARACTERS
from killreport_assets.queues.envelope import Message
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER, World
from killreport_assets.settings import Settings
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.store.lineage import SettledEntity, settle
from killreport_assets.store.schema import tables
from killreport_assets.workers.handler import BatchReport
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.handlers.zkillboard_lists import ZkillboardCharacterHandler
from killreport_assets.workers.publisher import killmail_messages, publish_ids, publish_pending
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.suspects import MAX_DEATHS, SUSPECT_AFTER
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, QUICK, Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

WORLD = World()


def test_pending_entities_are_filled_in_and_their_lineage_completed(platform: Platform, sandbox: Sandbox) -> None:
    write_killmails(platform.engine, genuine.bodies(60), "everef")
    wanted = platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'character'")
    assert publish_pending(platform.engine, platform.broker, run_id="publish") > wanted
    report = platform.entities("character", LONG_IDLE)
    assert report.outcomes == {"stored": wanted}
    assert platform.scalar("select count(*) from raw.characters where name like 'Sandbox Pilot %'") == wanted
    assert platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'character'") == 0
    completed = """
        select count(*) from ops.enrichments where entity_kind = 'character' and outcome = 'stored'
        and enriched_at >= requested_at and consuming_run = 'worker' and publishing_run = 'publish' and attempts = 1
        and queue = 'esi_character_info_queue' and message_id = 'character:' || entity_id
    """
    assert platform.scalar(completed) == platform.scalar(
        "select count(*) from ops.enrichments where entity_kind = 'character'"
    )
    assert set(sandbox.statistics()["bodies"].values()) == {1}
    assert sandbox.statistics()["violations"] == {}
    assert len(report.sample) == 50
    assert report.first_killmail == 435341


def test_pending_is_published_once(platform: Platform) -> None:
    write_killmails(platform.engine, genuine.bodies(20), "everef")
    assert publish_pending(platform.engine, platform.broker) > 0
    assert publish_pending(platform.engine, platform.broker) == 0


def test_a_claim_whose_process_died_expires(platform: Platform) -> None:
    write_killmails(platform.engine, genuine.bodies(5), "everef")
    with platform.engine.begin() as connection:
        connection.execute(sa.text("update ops.entity_pending set claimed_at = now() - interval '11 minutes'"))
    assert publish_pending(platform.engine, platform.broker) > 0


def test_a_broker_that_is_lost_gets_its_claims_back(platform: Platform) -> None:
    class Lost(PgmqBroker):
        def publish(self, queue: str, messages: object, *, urgent: bool = False) -> None:
            raise BrokerUnavailable("gone")

    write_killmails(platform.engine, genuine.bodies(5), "everef")
    with pytest.raises(BrokerUnavailable):
        publish_pending(platform.engine, Lost(platform.engine))
    assert publish_pending(platform.engine, platform.broker) > 0


def test_what_is_known_and_fresh_is_not_fetched(platform: Platform, sandbox: Sandbox) -> None:
    for _ in range(2):
        publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
        report = platform.entities("character")
    assert report.outcomes == {"unchanged": 1}
    assert sandbox.statistics()["requests"]["esi"] == 1


def test_what_is_stale_is_asked_for_with_its_etag(platform: Platform, sandbox: Sandbox) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    platform.entities("character")
    with platform.engine.begin() as connection:
        connection.execute(sa.text("update raw.characters set fetched_at = now() - interval '8 days'"))
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    assert platform.entities("character").outcomes == {"stored": 1}
    assert sandbox.statistics()["answers"] == {"esi 200": 1, "esi 304": 1}
    assert platform.scalar("select count(*) from raw.characters where fetched_at > now() - interval '1 minute'") == 1


def test_a_deleted_character_is_gone_and_not_asked_for_again(platform: Platform, sandbox: Sandbox) -> None:
    publish_ids(platform.broker, CHARACTERS, [90_000_777])
    assert platform.entities("character").outcomes == {"gone": 1}
    assert platform.scalar("select count(*) from raw.characters where gone_at is not null") == 1
    assert platform.scalar("select count(*) from ops.dead_letters") == 0
    publish_ids(platform.broker, CHARACTERS, [90_000_777])
    assert platform.entities("character").outcomes == {"gone": 1}
    assert sandbox.statistics()["requests"]["esi"] == 1


def test_killmails_come_by_id_and_hash_and_only_once(platform: Platform, sandbox: Sandbox) -> None:
    hashes = {line["killmail_id"]: line["killmail_hash"] for line in genuine.records()[:30]}
    for _ in range(2):
        platform.broker.publish(KILLMAILS.name, killmail_messages(hashes, "run"))
    report = platform.killmails()
    assert report.outcomes["stored"] == 30
    assert report.received == 60
    assert platform.killmails().received == 0
    assert platform.scalar("select count(*) from raw.killmails where source = 'esi'") == 30
    assert report.published > 0


def test_a_wrong_hash_is_dead_after_one_more_try_and_stops_no_other(platform: Platform, sandbox: Sandbox) -> None:
    good = genuine.record(435341)
    messages = killmail_messages({4289452: "0" * 40, 435341: good["killmail_hash"]}, None)
    platform.broker.publish(KILLMAILS.name, [*messages, Message(kind="killmail", id=7)])
    report = platform.killmails(LONG_IDLE)
    assert (report.outcomes["stored"], report.outcomes["retried"], report.outcomes["dead"]) == (1, 2, 2)
    assert sandbox.statistics()["answers"]["esi 422"] == 2
    with platform.engine.connect() as connection:
        rows = connection.execute(sa.text("select * from ops.dead_letters order by message_id desc")).mappings().all()
    assert [row["message_id"] for row in rows] == ["killmail:7", "killmail:4289452"]
    assert "Invalid killmail_id" in rows[1]["error"]
    assert (rows[1]["reason"], rows[1]["attempts"], rows[1]["queue"]) == ("refused", 2, "esi_killmail_queue")


@pytest.mark.parametrize("body", ['{"schema": 99, "kind": "character", "id": 5}', '"no object"', '{"schema": 1}'])
def test_an_unreadable_message_is_dead_and_stops_no_other(platform: Platform, body: str) -> None:
    platform.raw_message(CHARACTERS, body)
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    report = platform.entities("character")
    assert (report.outcomes["stored"], report.outcomes["dead"]) == (1, 1)
    assert platform.scalar("select count(*) from ops.dead_letters where reason = 'unreadable message'") == 1


def test_a_failing_message_is_tried_again_then_dead_and_costs_no_more_requests(
    platform: Platform, sandbox: Sandbox
) -> None:
    write_killmails(platform.engine, genuine.bodies(3), "everef")
    poison = 985810621  # a victim among them
    sandbox.faults({"path": f"/esi/characters/{poison}", "kinds": ["500"]})
    publish_pending(platform.engine, platform.broker)
    report = platform.entities("character", LONG_IDLE)
    assert (report.outcomes["retried"], report.outcomes["dead"]) == (CHARACTERS.max_attempts - 1, 1)
    assert sandbox.statistics()["answers"]["esi 500"] == CHARACTERS.max_attempts
    with platform.engine.connect() as connection:
        letter = connection.execute(sa.text("select * from ops.dead_letters")).mappings().one()
        lineage = connection.execute(
            sa.text("select outcome, enriched_at from ops.enrichments where entity_id = :id"), {"id": poison}
        ).all()
    assert (letter["message_id"], letter["reason"], letter["attempts"]) == (
        f"character:{poison}",
        "attempts spent",
        CHARACTERS.max_attempts,
    )
    assert "500" in letter["error"]
    assert letter["first_failed_at"] < letter["died_at"]
    assert [tuple(row) for row in lineage] == [("dead", None)]
    with platform.engine.begin() as connection:  # a day later it is still not published again
        connection.execute(sa.text("update ops.entity_pending set claimed_at = now() - interval '3 days'"))
    publish_pending(platform.engine, platform.broker)
    assert f"character:{poison}" not in platform.message_ids(CHARACTERS)


def test_a_run_in_which_everything_failed_says_so(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/esi/characters", "kinds": ["503"]})
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    report = platform.entities("character", WorkerLimits(idle_seconds=0.1))
    assert report.failed
    assert "503" in report.errors[0]


def test_one_message_that_keeps_failing_makes_no_run_red(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults({"path": f"/esi/characters/{BODIES_CHARACTER}", "kinds": ["503"]})
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    report = platform.entities("character", LONG_IDLE)
    assert (report.outcomes["stored"], report.outcomes["retried"]) == (1, CHARACTERS.max_attempts - 1)
    assert not report.failed


def test_throttled_messages_are_deferred_uncounted_and_the_worker_ends(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/esi", "kinds": ["420"], "times": 1})
    publish_ids(platform.broker, CHARACTERS, sorted(WORLD.affiliations)[10:110])
    report = platform.entities("character", WorkerLimits(seconds=60, idle_seconds=30))
    assert report.throttled_until is not None
    assert report.outcomes["deferred"] > 0
    assert report.outcomes["retried"] == report.outcomes["dead"] == 0
    assert not report.failed
    platform.wait_for_pauses()
    again = platform.entities("character", LONG_IDLE)
    assert report.outcomes["stored"] + again.outcomes["stored"] == 100
    assert sandbox.statistics()["violations"] == {}


def test_a_body_that_cannot_be_stored_is_dead_and_stops_no_other(platform: Platform) -> None:
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("alter table raw.characters add check (character_id <> :id)").bindparams(
                sa.bindparam("id", BODIES_CHARACTER, literal_execute=True)
            )
        )
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    report = platform.entities("character")
    assert (report.outcomes["stored"], report.outcomes["dead"]) == (1, 1)
    assert platform.scalar("select count(*) from ops.dead_letters where reason = 'cannot be stored'") == 1


class Killed(BaseException):
    """The worker's process dies."""


class Killer(EntityHandler):
    """Dies of one character."""

    def store(self, connection: Connection, fetched: Sequence[Any], run_id: str | None) -> BatchReport:
        if any(received.id == BODIES_CHARACTER for received, _ in fetched):
            raise Killed
        return super().store(connection, fetched, run_id)


def test_a_message_that_kills_its_workers_is_a_dead_letter_and_no_other_is(platform: Platform) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    handler = Killer(EntityKind.CHARACTER, platform.esi, 7)

    def redeliver() -> None:
        with platform.engine.begin() as connection:
            connection.execute(sa.text(f"update pgmq.q_{CHARACTERS.name} set vt = now()"))

    for _ in range(SUSPECT_AFTER + MAX_DEATHS):
        with pytest.raises(Killed):
            run_worker(handler, platform.broker, platform.engine, QUICK)
        redeliver()
    report = run_worker(handler, platform.broker, platform.engine, QUICK)
    assert report.outcomes["dead"] == 1
    assert platform.scalar("select count(*) from raw.characters where character_id = " + str(IDS_CHARACTER)) == 1
    assert platform.scalar("select reason from ops.dead_letters") == "kills its workers"
    assert (
        platform.scalar("select error from ops.dead_letters") == "3 workers died while they handled this message alone"
    )
    assert platform.scalar("select count(*) from ops.suspect_messages") == 0


def test_what_an_outage_returned_often_is_handled_all_the_same(platform: Platform) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    with platform.engine.begin() as connection:
        connection.execute(sa.text(f"update pgmq.q_{CHARACTERS.name} set read_ct = 500"))
    report = platform.entities("character")
    assert report.outcomes == {"stored": 2}
    assert platform.scalar("select count(*) from ops.suspect_messages") == 0


def test_a_database_that_refuses_writes_costs_no_message_its_life(platform: Platform) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("create function refuse() returns trigger language plpgsql as $$ begin raise disk_full; end $$")
        )
        connection.execute(
            sa.text("create trigger refuse before insert on raw.characters for each row execute function refuse()")
        )
    for _ in range(SUSPECT_AFTER + MAX_DEATHS + 2):
        with suppress(sa.exc.OperationalError):
            assert platform.entities("character").outcomes == {}
        with platform.engine.begin() as connection:
            connection.execute(sa.text(f"update pgmq.q_{CHARACTERS.name} set vt = now()"))
    with platform.engine.begin() as connection:
        connection.execute(sa.text("drop trigger refuse on raw.characters"))
    assert platform.entities("character").outcomes == {"stored": 2}
    assert platform.scalar("select count(*) from ops.dead_letters") == 0


@pytest.mark.parametrize(
    "headers",
    [
        "[1]",
        '"x"',
        "null",
        '{"attempts": "many"}',
        '{"attempts": 1e300}',
        '{"attempts": -3, "first_failed_at": 9}',
        '{"attempts": true, "message_id": {"a": 1}}',
        '{"first_failed_at": "0001-01-01T00:00:00+14:00"}',
    ],
)
def test_malformed_headers_cost_nothing(platform: Platform, headers: str) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text(f"update pgmq.q_{CHARACTERS.name} set headers = cast(:headers as jsonb) where msg_id = 1"),
            {"headers": headers},
        )
    assert platform.entities("character").outcomes == {"stored": 2}


def test_zkillboard_lists_fill_killmails_and_queue_what_has_only_a_hash(platform: Platform) -> None:
    publish_ids(platform.broker, ZKILLBOARD_CHARACTERS, [BODIES_CHARACTER, IDS_CHARACTER])
    handler = ZkillboardCharacterHandler(Zkillboard(platform.settings, platform.engine), platform.engine)
    report = run_worker(handler, platform.broker, platform.engine, QUICK, run_id="lists")
    whole, hashes = len(WORLD.part("zkillboard")), len(WORLD.part("zkillboard_ids"))
    assert report.rows["killmails"] == whole
    assert platform.broker.depth(KILLMAILS.name).ready == hashes
    with platform.engine.connect() as connection:
        syncs = connection.execute(sa.text("select * from ops.syncs order by subject")).mappings().all()
    assert [(s["subject"], s["listed"], s["stored"], s["queued"], s["outcome"]) for s in syncs] == [
        (f"character:{BODIES_CHARACTER}", whole, whole, 0, "complete"),
        (f"character:{IDS_CHARACTER}", hashes, 0, hashes, "complete"),
    ]


def test_types_from_esi_have_their_dogma(platform: Platform) -> None:
    newest = sorted(WORLD.newest_types)[:5]
    publish_ids(platform.broker, TYPES, newest)
    assert platform.entities("type").outcomes == {"stored": 5}
    with platform.engine.connect() as connection:
        for row in connection.execute(sa.text("select type_id, name, tech_level, source from raw.types")):
            wanted = WORLD.by_id("types")[row.type_id]
            assert (row.name, row.tech_level, row.source) == (wanted["name"], wanted["tech_level"], "esi")


def test_slow_work_is_not_delivered_to_another_worker(platform: Platform, sandbox: Sandbox) -> None:
    # Nine fetches of 1.2 s, three at a time, and a lease of 2 s: without renewal another worker would get them.
    sandbox.faults(latency=1.2)
    publish_ids(platform.broker, ALLIANCES, sorted(WORLD.alliances)[:9])
    reports: list[WorkerReport] = []
    limits = WorkerLimits(idle_seconds=3)
    threads = [threading.Thread(target=lambda: reports.append(platform.entities("alliance", limits))) for _ in range(2)]
    for thread in threads:
        thread.start()
        wait_until(lambda: platform.broker.depth(ALLIANCES.name).in_flight)
    for thread in threads:
        thread.join()
    assert sum(report.outcomes["stored"] for report in reports) == 9
    assert set(sandbox.statistics()["bodies"].values()) == {1}


def test_a_setting_that_is_wrong_costs_no_message_an_attempt(platform: Platform, settings: Settings) -> None:
    real = settings.with_values(esi_url="https://esi.evetech.net")
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    handler = EntityHandler(EntityKind.CHARACTER, EsiClient(real, platform.engine), 7)
    with pytest.raises(UserError, match="KILLREPORT_CONTACT"):
        run_worker(handler, platform.broker, platform.engine, QUICK)
    assert platform.entities("character", LONG_IDLE).outcomes == {"stored": 1}
    assert platform.scalar("select count(*) from ops.dead_letters") == 0


def test_a_cause_that_is_written_while_its_entity_is_settled_is_settled_too(platform: Platform) -> None:
    pilot = 580797163
    lines = [x for x in genuine.records() if any(a.get("character_id") == pilot for a in x["esi"]["attackers"])][:2]
    bodies = [KillmailBody(line["esi"], line["killmail_hash"]) for line in lines]
    write_killmails(platform.engine, bodies[:1], "everef")
    settled = SettledEntity(pilot, "stored", f"character:{pilot}", 1, "publish")

    def settle_pilot() -> None:
        with platform.engine.begin() as connection:
            upsert(connection, tables.characters, [{"character_id": pilot, "name": "x", "source": "esi"}])
            settle(connection, "character", CHARACTERS.name, [settled], "worker")

    with platform.engine.connect() as writer:
        write_killmails_in(writer, bodies[1:], "everef")  # not committed yet
        settling = threading.Thread(target=settle_pilot)
        settling.start()
        wait_until(lambda: platform.scalar("select count(*) from pg_locks where not granted"))
        writer.commit()
    settling.join()
    query = f"select count(*) from ops.enrichments where entity_id = {pilot} and outcome = 'stored'"
    assert platform.scalar(query) == 2


def test_writers_and_workers_at_once_leave_nothing_pending(platform: Platform) -> None:
    bodies = genuine.bodies(120)
    done = threading.Event()

    def write() -> None:
        try:
            for start in range(0, 120, 10):
                write_killmails(platform.engine, bodies[start : start + 10], "everef")
                publish_pending(platform.engine, platform.broker)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        platform.entities("character", WorkerLimits(idle_seconds=0.2))
    writer.join()
    platform.entities("character", LONG_IDLE)
    assert platform.scalar("select count(*) from raw.killmails") == 120
    pending = "entity_kind = 'character'"
    assert platform.scalar(f"select count(*) from ops.entity_pending where {pending}") == 0
    assert platform.scalar(f"select count(*) from ops.enrichments where {pending} and outcome <> 'stored'") == 0

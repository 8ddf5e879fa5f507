"""Users' killmail lists on real servers: who is due, what is read, what is queued, and what becomes of refusals."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import UserError
from killreport_assets.esi.routes import CHARACTER_SCOPE
from killreport_assets.queues.broker import Delivery, WorkerLimits
from killreport_assets.queues.catalogue import CORPORATION_KILLMAILS, KILLMAILS, USER_KILLMAILS
from killreport_assets.queues.envelope import Message
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.sandbox.world import BODIES_CHARACTER, World, participants
from killreport_assets.settings import Settings
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.lineage import request
from killreport_assets.store.syncs import CONTINUED
from killreport_assets.users.handlers import killmail_lists
from killreport_assets.users.killmail_lists import KillmailList
from killreport_assets.users.store import NPC_CORPORATION, set_interval
from killreport_assets.users.syncs import queue_now
from killreport_assets.workers.handler import ReceivedMessage
from killreport_assets.workers.handlers.killmails import KillmailHandler
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, QUICK, TIERS, Platform
from killreport_assets_testing.rabbitmq import RabbitNode, empty
from killreport_assets_testing.sandbox import Sandbox

WORLD = World()
HOUR = timedelta(hours=1)
MANY = 5_000
OWN = {k.id for k in WORLD.killmails.values() if BODIES_CHARACTER in k.character_ids}
CORPORATION = WORLD.affiliations[BODIES_CHARACTER][0]
CORPORATIONS_OWN = {
    k.id for k in WORLD.killmails.values() if any(p.get("corporation_id") == CORPORATION for p in participants(k.body))
}


@pytest.fixture
def pilot(platform: Platform, sandbox: Sandbox) -> int:
    """A pilot who has just signed in, for the corporation too."""
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    return BODIES_CHARACTER


def _sync(platform: Platform) -> tuple[int, int]:
    """Queue what is due and run a worker of each queue; the messages that each received."""
    platform.queue_due()
    return platform.user_killmails().received, platform.corporation_killmails().received


def _let_time_pass(platform: Platform) -> None:
    """ESI's cache is over, and all are due."""
    platform.execute("update ops.killmail_lists set next_at = now(), fresh_until = now()")


def _syncs(platform: Platform) -> list[tuple[object, ...]]:
    return platform.rows("select source, outcome, listed, queued, skipped from ops.syncs order by sync_id")


def test_a_users_killmails_and_the_corporations_are_queued_once(platform: Platform, pilot: int) -> None:
    assert _sync(platform) == (1, 1)
    assert len(OWN) > 10
    assert set() < CORPORATIONS_OWN
    assert _syncs(platform) == [
        ("user_killmails", "complete", len(OWN), len(OWN), 0),
        (
            "corporation_killmails",
            "complete",
            len(CORPORATIONS_OWN),
            len(CORPORATIONS_OWN - OWN),
            len(CORPORATIONS_OWN & OWN),
        ),
    ]
    assert platform.broker.depth(KILLMAILS.name).ready == len(OWN | CORPORATIONS_OWN)
    platform.killmails()
    assert {row[0] for row in platform.rows("select killmail_id from raw.killmails")} == OWN | CORPORATIONS_OWN
    assert platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'killmail'") == 0
    assert _sync(platform) == (0, 0)  # none is due


def test_it_works_the_same_over_rabbitmq_and_no_message_has_more_than_it_needs(
    settings: Settings, engine: Engine, sandbox: Sandbox, rabbit_node: RabbitNode
) -> None:
    broker = RabbitBroker(rabbit_node.url, TIERS)
    empty(broker, USER_KILLMAILS, CORPORATION_KILLMAILS, KILLMAILS)
    platform = Platform(settings, engine, broker)
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    platform.queue_due()
    with broker.consume(USER_KILLMAILS.name, QUICK) as consumer:
        [delivery] = consumer.receive(5.0)
        assert set(json.loads(delivery.body)) == {"schema", "kind", "id", "cause", "requested_at"}
        consumer.retry_later([delivery], timedelta(), count_attempt=False)
    assert platform.user_killmails(LONG_IDLE).outcomes["stored"] == 1
    assert platform.corporation_killmails(LONG_IDLE).outcomes["stored"] == 1
    platform.killmails(LONG_IDLE)
    assert {row[0] for row in platform.rows("select killmail_id from raw.killmails")} == OWN | CORPORATIONS_OWN
    platform.close()


def test_what_is_stored_is_skipped(platform: Platform, pilot: int) -> None:
    write_killmails(platform.engine, genuine.bodies(200), "everef")
    known = OWN & {row[0] for row in platform.rows("select killmail_id from raw.killmails")}
    assert known
    _sync(platform)
    assert _syncs(platform)[0] == ("user_killmails", "complete", len(OWN), len(OWN - known), len(known))


def test_an_unchanged_list_costs_one_token(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    sandbox.authorized_killmails(cache_seconds=0)
    _sync(platform)
    _let_time_pass(platform)
    _sync(platform)
    platform.esi.close()
    assert [row[1] for row in _syncs(platform)] == ["complete", "complete", "unchanged", "unchanged"]
    spent = dict(platform.rows("select bucket, tokens from ops.request_totals where bucket like '%-killmail'"))
    assert spent == {"char-killmail": 3, "corp-killmail": 3}
    assert "asked before Expires" not in sandbox.statistics()["violations"]


def test_pages_are_read_as_far_as_the_bucket_goes_and_on_at_the_next_sync(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    sandbox.authorized_killmails(page_size=7, cache_seconds=0)
    readable = 13  # a page costs 2 of 30 tokens, and may cost 5
    assert readable < -(-len(OWN) // 7) <= 2 * readable
    _sync(platform)
    assert _syncs(platform)[0][:3] == ("user_killmails", CONTINUED, 7 * readable)
    _forget_what_was_spent(platform, sandbox)
    sandbox.authorized_killmails(page_size=7, cache_seconds=0)
    _let_time_pass(platform)
    _sync(platform)
    assert _syncs(platform)[2][:3] == ("user_killmails", "complete", len(OWN) - 7 * readable)
    queued = platform.rows("select entity_id from ops.entity_pending where entity_kind = 'killmail'")
    assert {row[0] for row in queued} >= OWN
    assert sandbox.statistics()["violations"] == {}


def _forget_what_was_spent(platform: Platform, sandbox: Sandbox) -> None:
    """A window later."""
    platform.esi.close()
    platform.execute("truncate ops.request_tokens, ops.request_pace")
    sandbox.reset()


def test_a_manual_sync_goes_first_and_asks_nothing_that_esi_has_cached(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    queue_now(platform.engine, platform.broker, [pilot])
    assert platform.message_ids(USER_KILLMAILS, "__urgent") == [f"user_killmails:{pilot}"]
    platform.user_killmails()
    assert len(platform.message_ids(KILLMAILS, "__urgent")) == len(OWN)
    queue_now(platform.engine, platform.broker, [pilot])
    assert platform.user_killmails().outcomes == {"unchanged": 1}
    with pytest.raises(UserError, match="no user has signed in with character 1"):
        queue_now(platform.engine, platform.broker, [1])


def test_each_user_has_an_interval_of_its_own(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    _sync(platform)
    due = platform.user(pilot).next_at
    assert due is not None
    # The pilot's killmails are not stored yet: they count as new, and nothing is stretched.
    assert timedelta(seconds=300) <= due - datetime.now(UTC) <= timedelta(seconds=1.6 * 900)
    with platform.engine.begin() as connection:
        set_interval(connection, pilot, tier=None, seconds=7_200)
    _let_time_pass(platform)
    _sync(platform)
    due = platform.user(pilot).next_at
    assert due is not None
    assert timedelta(seconds=3_000) <= due - datetime.now(UTC) <= timedelta(seconds=1.6 * 7_200)


def test_the_inactive_are_asked_for_rarely(platform: Platform, pilot: int) -> None:
    _sync(platform)
    platform.killmails()  # years old
    _let_time_pass(platform)
    _sync(platform)
    due = platform.user(pilot).next_at
    assert due is not None
    assert due - datetime.now(UTC) > timedelta(days=1.4)


def test_directors_take_turns(platform: Platform, sandbox: Sandbox) -> None:
    directors = [id_ for id_, (corporation, _) in WORLD.affiliations.items() if corporation == CORPORATION][:3]
    assert len(directors) == 3
    for director in directors:
        platform.signed_in(sandbox.grant(director))
    sandbox.authorized_killmails(cache_seconds=0)
    for _ in directors:
        _let_time_pass(platform)
        _sync(platform)
    used = platform.rows("select character_id from ops.syncs where source = 'corporation_killmails'")
    assert sorted(row[0] for row in used) == sorted(directors)
    assert platform.scalar("select count(*) from ops.killmail_lists where list_kind = 'corporation_killmails'") == 1


def test_without_the_role_the_corporation_is_switched_off_and_the_next_director_asked(
    platform: Platform, sandbox: Sandbox
) -> None:
    first, second = [id_ for id_, (corporation, _) in WORLD.affiliations.items() if corporation == CORPORATION][:2]
    for director in (first, second):
        platform.signed_in(sandbox.grant(director))
    sandbox.authorized_killmails(refused={min(first, second): "role"})
    _sync(platform)
    assert platform.user(min(first, second)).corporation_state == "off"
    assert "Directors only" in str(platform.user(min(first, second)).corporation_reason)
    assert platform.user(max(first, second)).corporation_state == "on"
    [sync] = platform.rows("select outcome, character_id from ops.syncs where source = 'corporation_killmails'")
    assert sync == ("complete", max(first, second))


def test_who_is_not_in_the_corporation_is_asked_again_tomorrow(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    sandbox.authorized_killmails(refused={pilot: "member"})
    _sync(platform)
    user = platform.user(pilot)
    assert user.corporation_state == "on"
    assert user.corporation_retry_at is not None
    assert timedelta(hours=23) < user.corporation_retry_at - datetime.now(UTC) < timedelta(hours=25)
    assert user.corporation_next_at == user.corporation_retry_at  # what the page says
    _let_time_pass(platform)
    assert platform.queue_due().due_corporations == 0
    platform.execute("update ops.sign_ins set corporation_retry_at = now() - interval '1 second'")
    sandbox.authorized_killmails(refused={pilot: None}, cache_seconds=0)
    _let_time_pass(platform)
    _sync(platform)
    assert (platform.user(pilot).corporation_outcome, platform.user(pilot).corporation_reason) == ("complete", None)


def test_short_failures_of_the_sso_switch_nothing_off(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    sandbox.authorized_killmails(refused={pilot: "sso"}, cache_seconds=0)
    platform.queue_due()
    report = platform.corporation_killmails(LONG_IDLE)
    assert (report.outcomes["retried"], report.outcomes["skipped"], report.outcomes["dead"]) == (3, 1, 0)
    assert platform.user(pilot).corporation_state == "on"
    assert platform.scalar("select failures from ops.killmail_lists where list_kind = 'corporation_killmails'") == 1
    assert platform.scalar("select count(*) from ops.dead_letters") == 0
    _forget_what_was_spent(platform, sandbox)
    _let_time_pass(platform)
    platform.queue_due()
    assert platform.corporation_killmails().outcomes["stored"] == 1


def test_npc_corporations_are_skipped(platform: Platform, sandbox: Sandbox, pilot: int) -> None:
    sandbox.move(pilot, 1_000_035)
    queued = platform.queue_due()
    assert (queued.due_users, queued.due_corporations) == (1, 0)
    assert platform.user(pilot).corporation_id == 1_000_035
    assert platform.user(pilot).corporation_reason == NPC_CORPORATION
    assert not platform.user(pilot).lists_corporation
    queue_now(platform.engine, platform.broker, [pilot])
    assert platform.broker.depth(CORPORATION_KILLMAILS.name).ready == 0
    sandbox.move(pilot, CORPORATION)
    platform.execute("update ops.sign_ins set corporation_checked_at = null")
    assert platform.queue_due().due_corporations == 1
    assert platform.user(pilot).corporation_reason is None


def test_who_did_not_grant_the_corporation_is_not_asked_for_it(platform: Platform, sandbox: Sandbox) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER, [CHARACTER_SCOPE]))
    assert _sync(platform) == (1, 0)
    assert platform.user(BODIES_CHARACTER).corporation_state == "not granted"


def test_a_killmail_that_cannot_be_stored_is_not_asked_for_with_every_sync(
    platform: Platform, sandbox: Sandbox, pilot: int
) -> None:
    class Malformed(KillmailHandler):
        def fetch(self, message: ReceivedMessage, plan: None) -> dict[str, int]:
            return {"killmail_id": message.id}

    sandbox.authorized_killmails(cache_seconds=0)
    _sync(platform)
    assert platform.work(Malformed(platform.esi)).outcomes["rejected"] == len(OWN | CORPORATIONS_OWN)
    platform.execute("update ops.killmail_lists set etag = null")
    _let_time_pass(platform)
    _sync(platform)
    assert platform.broker.depth(KILLMAILS.name).ready == 0
    assert _syncs(platform)[-1][3] == 0


def test_the_same_killmail_with_another_hash_is_asked_for_again(platform: Platform) -> None:
    for hash_ in ("a" * 40, "a" * 40, "b" * 40):
        with platform.engine.begin() as connection:
            request(connection, KILLMAILS.kind, [7], hashes={7: hash_})
        publish_pending(platform.engine, platform.broker)
    assert platform.broker.depth(KILLMAILS.name).ready == 2
    platform.execute("update ops.entity_pending set dead_at = now()")
    for hash_, asked in (("b" * 40, 0), ("c" * 40, 1)):
        with platform.engine.begin() as connection:
            assert request(connection, KILLMAILS.kind, [7], hashes={7: hash_}) == asked


def test_two_workers_that_list_the_same_killmails_do_not_wait_for_each_other(
    platform: Platform, sandbox: Sandbox
) -> None:
    """All on the same killmails, in several workers at once, while others publish and fetch."""
    pilots = [id_ for id_ in sorted(WORLD.affiliations) if id_ > 90_000_000][:40]
    for pilot in pilots:
        platform.signed_in(sandbox.grant(pilot))
    platform.queue_due()
    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(platform.user_killmails, LONG_IDLE) for _ in range(2)]
        workers += [pool.submit(platform.corporation_killmails, LONG_IDLE), pool.submit(platform.killmails, LONG_IDLE)]
        reports = [worker.result() for worker in workers]
    assert sum(report.outcomes["stored"] for report in reports[:2]) == len(pilots)
    assert not [error for report in reports for error in report.errors]
    platform.killmails(LONG_IDLE)
    wanted = {k.id for k in WORLD.killmails.values() if k.character_ids & set(pilots)}
    assert {row[0] for row in platform.rows("select killmail_id from raw.killmails")} >= wanted
    assert platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'killmail'") == 0


def test_a_list_does_not_wait_for_a_clock_that_has_gone_back(
    platform: Platform, pilot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock goes back an hour after the plan: ESI's cache seems to be fresh for an hour longer."""
    monkeypatch.setattr(killmail_lists, "LOOK_AHEAD", timedelta(seconds=0.1))
    handler = killmail_lists.UserKillmailsHandler(platform.esi, platform.engine, platform.keeper, platform.intervals)
    now = datetime.now(UTC)
    known = KillmailList(USER_KILLMAILS.kind, pilot, HOUR, now, None, now + HOUR, 0, None, None, None, None, now)
    delivery = Delivery(USER_KILLMAILS.name, b"", None, 0, None, 0, False, ("", 1))
    received = ReceivedMessage(delivery, Message(kind=USER_KILLMAILS.kind, id=pilot))
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(handler.fetch, received, known).result(60).is_success


def test_thousands_of_users_who_are_due_at_once_are_queued_together(platform: Platform, pilot: int) -> None:
    """The numbers, not the seconds: one message each, few transactions, and who asks now comes first."""
    platform.execute(f"""
        insert into ops.sign_ins (character_id, character_name, account_id, owner_hash, scopes, state,
            corporation_state, tier)
        select 3000000000 + n, 'Pilot ' || n, n, 'hash', '{{}}', 'active', 'not granted', 'standard'
        from generate_series(1, {MANY}) n;
        insert into ops.killmail_lists (list_kind, subject_id)
        select 'user_killmails', 3000000000 + n from generate_series(1, {MANY}) n
    """)
    begun: list[Connection] = []
    event.listen(platform.engine, "begin", begun.append)
    queued, transactions = platform.queue_due(), len(begun)
    assert (queued.due_users, queued.requested, queued.published) == (MANY + 1, MANY + 2, MANY + 2)
    assert transactions < 40  # not one for each user
    assert platform.queue_due().published == 0
    queue_now(platform.engine, platform.broker, [pilot])
    platform.user_killmails(WorkerLimits(messages=1, batch_size=1))
    assert platform.rows("select subject from ops.syncs order by sync_id limit 1") == [(f"character:{pilot}",)]

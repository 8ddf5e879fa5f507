"""Any process may die at any time: at the end every message is done, queued or dead, exactly once in effect."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import make_engine
from killreport_assets.esi.client import EsiClient
from killreport_assets.models.ids import EntityKind
from killreport_assets.provision.database import bring_up_to_date
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import (
    ALLIANCES,
    CHARACTERS,
    CORPORATIONS,
    ENTITY_QUEUES,
    KILLMAILS,
    TYPES,
    ZKILLBOARD_CHARACTERS,
)
from killreport_assets.queues.envelope import Message, decode
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.sandbox.world import IDS_CHARACTER, World
from killreport_assets.settings import Settings, load_settings
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.handler import BatchReport
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.handlers.zkillboard_lists import ZkillboardCharacterHandler
from killreport_assets.workers.publisher import killmail_messages, publish_ids, publish_pending
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing import genuine
from killreport_assets_testing.crash import STEPS
from killreport_assets_testing.platform import LONG_IDLE, TIERS, Platform
from killreport_assets_testing.rabbitmq import RabbitNode, empty
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

WORLD = World()
HASHES = {line["killmail_id"]: line["killmail_hash"] for line in genuine.records()[:30]}
PILOTS = sorted(WORLD.affiliations)[100:400]


@pytest.fixture(params=["pgmq", "rabbitmq"])
def either(
    request: pytest.FixtureRequest, settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Platform]:
    """The platform on either broker, its queues empty."""
    broker: WorkBroker | None = None
    if request.param == "rabbitmq":
        node: RabbitNode = request.getfixturevalue("rabbit_node")
        broker = RabbitBroker(node.url, TIERS)
        monkeypatch.setenv("KILLREPORT_AMQP_URL", node.url)
        empty(broker, KILLMAILS, *ENTITY_QUEUES)
    platform = Platform(settings, engine, broker)
    yield platform
    platform.close()


def _queued(broker: WorkBroker, queue: str, kind: str) -> list[int]:
    """Consume a queue; the ids that were in it."""
    ids = []
    with broker.consume(queue, WorkerLimits(messages=100_000, idle_seconds=0.4)) as consumer:
        while not consumer.finished:
            batch = consumer.receive(0.2)
            ids += [decode(delivery.body, kind).id for delivery in batch]
            consumer.acknowledge(batch)
    return ids


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_is_killed_at_any_step_loses_nothing(either: Platform, step: str) -> None:
    either.broker.publish(KILLMAILS.name, killmail_messages(HASHES, None))
    program = [sys.executable, "-m", "killreport_assets_testing.crash", step]
    killed = subprocess.run(program, timeout=60, check=False, env=os.environ, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    stored = either.scalar("select count(*) from raw.killmails")
    assert (stored > 0) == (step != "after fetch")
    deadline = time.monotonic() + 20
    while (
        either.scalar("select count(*) from raw.killmails") < len(HASHES) or either.broker.depth(KILLMAILS.name).ready
    ):
        assert time.monotonic() < deadline, "not everything was redelivered"
        either.killmails(LONG_IDLE)
    assert either.scalar("select count(*) from ops.dead_letters") == 0
    publish_pending(either.engine, either.broker)  # also what the killed one had claimed
    for queue in (ALLIANCES, CORPORATIONS, CHARACTERS, TYPES):
        pending = {
            row[0]
            for row in either.rows(f"select entity_id from ops.entity_pending where entity_kind = '{queue.kind}'")
        }
        queued = _queued(either.broker, queue.name, queue.kind)
        assert set(queued) == pending
        assert len(queued) - len(pending) in range(len(pending) + 1)  # copies only add


def test_four_workers_fetch_no_id_twice(either: Platform, sandbox: Sandbox, settings: Settings) -> None:
    sandbox.faults(latency=0.02)
    publish_ids(either.broker, CHARACTERS, PILOTS)

    def worker(_: int) -> WorkerReport:
        broker = (
            PgmqBroker(either.engine, TIERS)
            if isinstance(either.broker, PgmqBroker)
            else RabbitBroker(str(os.environ["KILLREPORT_AMQP_URL"]), TIERS)
        )
        mine = Platform(settings, either.engine, broker)
        try:
            return mine.entities("character", LONG_IDLE)
        finally:
            mine.close()

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(worker, range(4)))
    assert sum(report.outcomes["stored"] for report in reports) == len(PILOTS)
    assert set(sandbox.statistics()["bodies"].values()) == {1}
    assert len([report for report in reports if report.received]) > 1


def _work_while(platform: Platform, disturb: Callable[[], None], wanted: int) -> list[WorkerReport]:
    """Run a worker of characters in a thread, disturb it in the middle, and go on until all are known."""
    reports: list[WorkerReport] = []
    errors: list[BaseException] = []

    def worker() -> None:
        try:
            reports.append(platform.entities("character", WorkerLimits(idle_seconds=3), reconnect_seconds=60))
        except BaseException as error:
            errors.append(error)

    working = threading.Thread(target=worker)
    working.start()
    wait_until(lambda: platform.scalar("select count(*) from raw.characters"))
    disturb()
    working.join(120)
    assert not working.is_alive()
    assert errors == []
    deadline = time.monotonic() + 40
    while platform.scalar("select count(*) from raw.characters") < wanted:
        assert time.monotonic() < deadline
        reports.append(platform.entities("character", LONG_IDLE))
    return reports


def test_postgresql_restarted_in_the_middle_loses_nothing(settings: Settings, sandbox: Sandbox, tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / "own")
    (tmp_path / "own").mkdir()
    server.start()
    admin = sa.create_engine(server.url("postgres", "psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with admin.connect() as connection:
        connection.execute(sa.text("create database own"))
    engine = make_engine(make_url(server.url("own", "psycopg")))
    bring_up_to_date(settings, engine)
    platform = Platform(settings.with_values(esi_max_rps=50), engine)
    try:
        publish_ids(platform.broker, CHARACTERS, PILOTS[:150])

        def restart() -> None:
            server.stop()
            time.sleep(1)  # an outage, not a blink
            server.start()

        reports = _work_while(platform, restart, 150)
        assert any("PGMQ" in error or "PostgreSQL" in error for report in reports for error in report.errors)
        assert platform.scalar("select count(*) from ops.dead_letters") == 0
        assert sandbox.statistics()["most_in_a_second"]["esi"] <= 50
    finally:
        platform.close()
        engine.dispose()
        server.stop()


def test_rabbitmq_restarted_in_the_middle_loses_nothing(
    settings: Settings, engine: Engine, sandbox: Sandbox, rabbit_node: RabbitNode
) -> None:
    node = RabbitNode()
    slow = settings.with_values(esi_max_rps=50)
    platform = Platform(slow, engine, RabbitBroker(node.start().url, TIERS))
    try:
        publish_ids(platform.broker, CHARACTERS, PILOTS[:150])

        def restart() -> None:
            node.stop()
            node.start()

        reports = _work_while(platform, restart, 150)
        assert any("RabbitMQ" in error for report in reports for error in report.errors)
        assert platform.scalar("select count(*) from ops.dead_letters") == 0
        assert sandbox.statistics()["most_in_a_second"]["esi"] <= 50
    finally:
        platform.close()
        node.remove()


def test_a_worker_whose_broker_stays_away_says_so_and_ends(settings: Settings, engine: Engine) -> None:
    class Away(PgmqBroker):
        is_away = False

        def depth(self, queue: str):  # type: ignore[no-untyped-def]
            if self.is_away:
                raise BrokerUnavailable("RabbitMQ at here: away")
            return super().depth(queue)

        def reconnect(self) -> None:
            raise BrokerUnavailable("RabbitMQ at here: still away")

    broker = Away(engine, TIERS)
    platform = Platform(settings, engine, broker)
    broker.is_away = True
    started = time.monotonic()
    with pytest.raises(BrokerUnavailable, match="still away"):
        platform.entities("character", reconnect_seconds=2)
    assert 1 < time.monotonic() - started < 20
    platform.close()


def test_a_bad_service_delays_everything_and_loses_nothing(platform: Platform, sandbox: Sandbox) -> None:
    characters = "/esi/characters"
    sandbox.faults(
        {"path": characters, "kinds": ["420"], "rate": 0.02, "times": 2},
        {"path": characters, "kinds": ["429"], "rate": 0.02, "times": 2},
        {"path": characters, "kinds": ["timeout"], "rate": 0.02, "times": 3},
        {"path": characters, "kinds": ["500", "502", "503", "truncated"], "rate": 0.3},
        timeout_seconds=4,
    )
    publish_ids(platform.broker, CHARACTERS, PILOTS[:120])
    deadline = time.monotonic() + 100
    while platform.scalar("select count(*) from raw.characters") < 120:
        assert time.monotonic() < deadline
        platform.entities("character", LONG_IDLE)
    assert platform.scalar("select count(*) from ops.dead_letters") == 0
    statistics = sandbox.statistics()
    assert statistics["violations"] == {}
    assert statistics["most_in_a_second"]["esi"] <= 500
    assert statistics["answers"]["esi 420"] > 0


def test_an_outage_costs_no_message_an_attempt(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults({"path": "/esi", "kinds": ["503"]})
    publish_ids(platform.broker, CHARACTERS, PILOTS[:30])
    report = platform.entities("character", WorkerLimits(seconds=60, idle_seconds=10))
    assert report.outcomes == {"deferred": 30}
    assert not report.failed
    assert report.throttled_until is not None
    assert sandbox.statistics()["requests"]["esi"] <= 25  # the fetches under way, and the questions whether it is there
    sandbox.faults()
    platform.wait_for_pauses()
    report = platform.entities("character", LONG_IDLE)
    assert report.outcomes["stored"] == 30
    assert platform.scalar("select count(*) from ops.dead_letters") == 0


def test_the_daily_downtime_costs_no_message_an_attempt(
    settings: Settings, engine: Engine, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_ESI_DOWNTIME", "00:00-23:59")
    platform = Platform(load_settings(), engine)
    sandbox.faults({"path": "/esi/characters", "kinds": ["502"]})
    publish_ids(platform.broker, CHARACTERS, PILOTS[:5])
    report = platform.entities("character", WorkerLimits(seconds=60, idle_seconds=10))
    assert report.outcomes == {"deferred": 5}
    assert "daily downtime" in platform.scalar("select pause_reason from ops.request_pace where service = 'esi'")
    platform.close()


@pytest.mark.parametrize("name", ["pgmq", "rabbitmq"])
def test_a_hundred_thousand_messages(name: str, engine: Engine, request: pytest.FixtureRequest) -> None:
    broker: WorkBroker
    if name == "pgmq":
        broker = PgmqBroker(engine, TIERS)
    else:
        broker = RabbitBroker(request.getfixturevalue("rabbit_node").url, TIERS)
    publish_ids(broker, TYPES, range(1, 100_001))
    received: set[int] = set()
    count = 0
    with broker.consume(
        TYPES.name, WorkerLimits(messages=200_000, seconds=120, idle_seconds=2, batch_size=1_000)
    ) as consumer:
        while not consumer.finished and count < 100_000:
            batch = consumer.receive(1.0)
            received |= {int(str(delivery.message_id).split(":")[1]) for delivery in batch}
            count += len(batch)
            consumer.acknowledge(batch)
    assert (count, len(received)) == (100_000, 100_000)
    assert broker.depth(TYPES.name).ready == 0
    broker.close()


def test_what_a_killed_process_had_claimed_is_published_by_the_next_run(platform: Platform) -> None:
    """Killed between the claim and the message: nobody has to wait until the claim expires."""
    platform.broker.publish(KILLMAILS.name, killmail_messages(HASHES, None))
    program = [sys.executable, "-m", "killreport_assets_testing.crash", "after commit"]
    killed = subprocess.run(program, timeout=60, check=False, env=os.environ, capture_output=True, text=True)
    assert killed.returncode == -9, killed.stderr
    claimed = platform.scalar("select count(*) from ops.entity_pending where claimed_at is not null")
    assert claimed == platform.scalar("select count(*) from ops.entity_pending") > 0
    wait_until(lambda: publish_pending(platform.engine, platform.broker) == claimed)
    assert publish_pending(platform.engine, platform.broker) == 0


def test_what_a_living_process_has_claimed_is_left_to_it(platform: Platform) -> None:
    class Slow(PgmqBroker):
        """Another process publishes while this one does."""

        def publish(self, queue: str, messages: Sequence[Message], *, urgent: bool = False) -> None:
            assert publish_pending(platform.engine, platform.broker) == 0
            super().publish(queue, messages, urgent=urgent)

    write_killmails(platform.engine, genuine.bodies(10), "everef")
    pending = platform.scalar("select count(*) from ops.entity_pending")
    assert publish_pending(platform.engine, Slow(platform.engine, TIERS)) == pending
    assert publish_pending(platform.engine, platform.broker) == 0
    assert platform.scalar("select count(*) from ops.entity_pending where claimed_by is not null") == 0


def test_a_listing_whose_follow_ups_may_be_lost_is_done_again(platform: Platform) -> None:
    """Killed between its commit and its publishing: the list has ids only, which nothing else would bring."""

    class Killed(BaseException):
        pass

    class Dying(PgmqBroker):
        def publish(self, queue: str, messages: object, *, urgent: bool = False) -> None:
            raise Killed

    handler = ZkillboardCharacterHandler(Zkillboard(platform.settings, platform.engine), platform.engine)
    publish_ids(platform.broker, ZKILLBOARD_CHARACTERS, [IDS_CHARACTER])
    dying = Dying(platform.engine, TIERS, timedelta(seconds=1))
    with pytest.raises(Killed):
        run_worker(handler, dying, platform.engine, WorkerLimits(idle_seconds=0.3, batch_size=1))
    assert platform.scalar("select count(*) from ops.syncs") == 1
    wait_until(lambda: platform.broker.depth(ZKILLBOARD_CHARACTERS.name).ready == 1)
    platform.work(handler, LONG_IDLE)
    assert platform.broker.depth(KILLMAILS.name).ready == len(WORLD.part("zkillboard_ids"))


def test_a_wrong_setting_counts_no_delivery(platform: Platform, settings: Settings) -> None:
    real = settings.with_values(esi_url="https://esi.evetech.net")
    publish_ids(platform.broker, CHARACTERS, PILOTS[:30])
    handler = EntityHandler(EntityKind.CHARACTER, EsiClient(real, platform.engine), 7)
    for _ in range(12):  # more often than a message may be delivered
        with pytest.raises(UserError, match="KILLREPORT_CONTACT"):
            platform.work(handler)
        platform.execute(f"update pgmq.q_{CHARACTERS.name} set vt = now()")
    report = platform.entities("character", LONG_IDLE)
    assert report.outcomes == {"stored": 30}


def test_a_database_that_refuses_to_write_is_not_asked_in_a_hurry(platform: Platform) -> None:
    class Full(EntityHandler):
        tries: ClassVar[list[float]] = []

        def store(self, *_: Any) -> BatchReport:
            self.tries.append(time.monotonic())
            raise sa.exc.OperationalError("insert", {}, Exception("disk full"))

    publish_ids(platform.broker, CHARACTERS, PILOTS[:3])
    broker = PgmqBroker(platform.engine, TIERS, timedelta(seconds=1))
    limits = WorkerLimits(idle_seconds=5)
    with pytest.raises(sa.exc.OperationalError, match="disk full"):
        run_worker(Full(EntityKind.CHARACTER, platform.esi, 7), broker, platform.engine, limits, reconnect_seconds=0.5)
    waits = [later - earlier for earlier, later in pairwise(Full.tries)]
    assert len(Full.tries) <= 6
    assert all(wait > 0.4 for wait in waits)

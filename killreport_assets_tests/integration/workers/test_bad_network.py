"""A slow network that resets connections, to each server: nothing is lost or done twice, and no wait is endless."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import URL, Engine, make_url

from killreport_assets.base.errors import BrokerUnavailable, ServerUnreachable
from killreport_assets.base.network import free_port
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.failures import report
from killreport_assets.database import engine as engines
from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.database.reconnect import is_lost_connection
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Unavailable
from killreport_assets.http.session import HttpSession
from killreport_assets.models.ids import EntityKind
from killreport_assets.provision.database import open_database
from killreport_assets.queues import amqp_connection
from killreport_assets.queues.broker import WorkerLimits
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing.network import BadNetwork
from killreport_assets_testing.platform import TIERS, Platform
from killreport_assets_testing.rabbitmq import RabbitNode, empty
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

PILOTS = sorted(World().affiliations)[100:160]
LIMITS = WorkerLimits(idle_seconds=1.0, batch_size=10)
CUTS, BETWEEN_CUTS = 4, 0.4


def _stored(platform: Platform) -> int:
    count: int = platform.scalar("select count(*) from raw.characters where source = 'esi'")
    return count


def _all_is_done(platform: Platform) -> None:
    assert _stored(platform) == len(PILOTS)
    assert platform.scalar("select count(*) from ops.dead_letters") == 0


@contextmanager
def _cutting(network: BadNetwork) -> Iterator[None]:
    """Cut every connection a few times, while there is work to be interrupted."""

    def cut() -> None:
        for _ in range(CUTS):
            time.sleep(BETWEEN_CUTS)
            network.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    yield
    thread.join()


def test_a_service_whose_answers_break_off_is_asked_again(platform: Platform, sandbox: Sandbox) -> None:
    with BadNetwork(make_url(platform.settings.services.esi_url).port or 0) as network:
        network.delay, network.reset_after = 0.01, 2_000
        url = make_url(platform.settings.services.esi_url).set(port=network.port)
        esi = EsiClient(platform.settings.with_values(esi_url=str(url)), platform.engine)
        publish_ids(platform.broker, CHARACTERS, PILOTS)
        while _stored(platform) < len(PILOTS):
            run_worker(EntityHandler(EntityKind.CHARACTER, esi, 7), platform.broker, platform.engine, LIMITS)
        esi.close()
        assert network.connections > len(PILOTS) // 10
    _all_is_done(platform)
    assert sandbox.statistics()["violations"] == {}


def test_a_database_that_is_cut_off_is_connected_to_again(platform: Platform, sandbox: Sandbox) -> None:
    sandbox.faults(latency=0.1)
    publish_ids(platform.broker, CHARACTERS, PILOTS)
    with _postgres_behind(platform.engine) as (network, url):
        engine = make_engine(url)
        broker = PgmqBroker(engine, TIERS, timedelta(seconds=2))
        esi = EsiClient(platform.settings, engine)
        handler = EntityHandler(EntityKind.CHARACTER, esi, 7)
        with _cutting(network):
            while _stored(platform) < len(PILOTS):
                run_worker(handler, broker, engine, LIMITS, parallel_fetches=5, reconnect_seconds=30)
        esi.close()
        engine.dispose()
    _all_is_done(platform)


def test_a_broker_that_is_cut_off_is_connected_to_again(
    platform: Platform, sandbox: Sandbox, rabbit_node: RabbitNode
) -> None:
    sandbox.faults(latency=0.1)
    direct = RabbitBroker(rabbit_node.url, TIERS)
    empty(direct, CHARACTERS)
    publish_ids(direct, CHARACTERS, PILOTS)
    with BadNetwork(rabbit_node.port) as network:
        network.delay = 0.001
        broker = RabbitBroker(rabbit_node.url.replace(str(rabbit_node.port), str(network.port)), TIERS)
        handler = EntityHandler(EntityKind.CHARACTER, platform.esi, 7)
        with _cutting(network):
            while _stored(platform) < len(PILOTS):
                run_worker(handler, broker, platform.engine, LIMITS, parallel_fetches=5, reconnect_seconds=30)
        broker.close()
    wait_until(lambda: direct.depth(CHARACTERS.name).ready == 0)
    direct.close()
    _all_is_done(platform)


def test_a_database_that_says_nothing_is_one_sentence(
    settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 2)
    with _postgres_behind(engine) as (network, url):
        network.is_silent = True
        silent = settings.with_values(database_url=SecretStr(url.render_as_string(hide_password=False)))
        started = time.monotonic()
        with pytest.raises(ServerUnreachable, match=r"cannot reach PostgreSQL at .*timeout"):
            open_database(silent)
        assert time.monotonic() - started < 30
        with pytest.raises(sa.exc.OperationalError):
            make_engine(database_urls(silent).killreport).connect()


def test_a_broker_that_says_nothing_is_one_sentence(rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_connection, "ANSWER_SECONDS", 2.0)
    with BadNetwork(rabbit_node.port) as network:
        url = rabbit_node.url.replace(str(rabbit_node.port), str(network.port))
        network.is_silent = True
        with pytest.raises(BrokerUnavailable, match="did not answer in 2 s"):
            RabbitBroker(url, TIERS)
        network.is_silent = False
        broker = RabbitBroker(url, TIERS)
        network.is_silent = True
        with pytest.raises(BrokerUnavailable, match="did not answer in 2 s"):
            publish_ids(broker, CHARACTERS, PILOTS)
        network.cut()
        broker.close()


@contextmanager
def _postgres_behind(engine: Engine) -> Iterator[tuple[BadNetwork, URL]]:
    """A network in front of the tests' PostgreSQL, and the URL of the engine's database through it."""
    with BadNetwork(f"{engine.url.query['host']}/.s.PGSQL.5432") as network:
        yield network, engine.url.set(host="127.0.0.1", port=network.port, query={})


def test_a_name_that_cannot_be_resolved_is_one_sentence_for_every_server(settings: Settings, engine: Engine) -> None:
    """The reserved top-level domain .invalid has no names (RFC 6761)."""
    database = settings.with_values(database_url=SecretStr("postgresql://me:secret@postgres.invalid/killreport"))
    service = settings.with_values(contact="me@example.com")
    attempts: dict[str, tuple[Callable[[], object], ExitCode]] = {
        "postgres.invalid": (lambda: open_database(database), ExitCode.server),
        "rabbitmq.invalid": (lambda: RabbitBroker("amqp://me:secret@rabbitmq.invalid/%2F", TIERS), ExitCode.server),
        "esi.invalid": (lambda: HttpSession(service).request("GET", "http://esi.invalid/status"), ExitCode.service),
    }
    for host, (attempt, code) in attempts.items():
        with pytest.raises((ServerUnreachable, BrokerUnavailable, Unavailable)) as error:
            attempt()
        sentence = str(error.value)
        assert host in sentence
        assert "resolve" in sentence
        assert not any(noise in sentence for noise in ("Error(", "exception", "secret", "\n")), sentence
        assert report(error.value) is code
        assert is_lost_connection(error.value) is (code is ExitCode.server)  # workers try again; a message, too


def test_a_broker_that_refuses_is_one_sentence() -> None:
    with pytest.raises(BrokerUnavailable, match=r"^RabbitMQ at 127\.0\.0\.1:\d+: connection refused$"):
        RabbitBroker(f"amqp://me:secret@127.0.0.1:{free_port()}/%2F", TIERS)

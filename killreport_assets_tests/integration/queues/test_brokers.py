"""One contract, run on both brokers, on real servers: nothing lost or redelivered, the priority lane first."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pika
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import BrokerUnavailable
from killreport_assets.base.network import free_port
from killreport_assets.queues.broker import Delivery, WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import CHARACTERS, KILLMAILS, TYPES
from killreport_assets.queues.envelope import Message, decode
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.queues.retry import RetryDelays
from killreport_assets_testing.rabbitmq import RabbitNode
from killreport_assets_testing.waiting import wait_until

QUICK = WorkerLimits(idle_seconds=0.4, batch_size=10)
TIERS = RetryDelays((1.0, 3.0))
Connect = Callable[[], WorkBroker]


@pytest.fixture(params=["pgmq", "rabbitmq"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Connects to the broker as another process would, as often as it is called; its queues are empty."""
    opened: list[WorkBroker] = []
    if request.param == "pgmq":
        engine: Engine = request.getfixturevalue("engine")

        def open_one() -> WorkBroker:
            opened.append(PgmqBroker(engine, TIERS, lease=timedelta(seconds=1)))
            return opened[-1]
    else:
        node: RabbitNode = request.getfixturevalue("rabbit_node")
        _delete_all(node.url)

        def open_one() -> WorkBroker:
            opened.append(RabbitBroker(node.url, TIERS))
            return opened[-1]

    yield open_one
    for broker in opened:
        broker.close()


def _delete_all(url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for queue in (KILLMAILS.name, CHARACTERS.name, TYPES.name):
        for name in (queue, f"{queue}.urgent", f"{queue}.dead"):
            channel.queue_delete(name)
    for delay in (*TIERS.delays, *RetryDelays().delays):
        channel.queue_delete(f"killreport.delay.{delay.total_seconds():g}s")
    connection.close()


def _messages(count: int, first: int = 1) -> list[Message]:
    return [Message(kind="character", id=first + i) for i in range(count)]


def _ids(deliveries: list[Delivery]) -> list[int]:
    return [decode(delivery.body, "character").id for delivery in deliveries]


def _consume_all(broker: WorkBroker, queue: str, limits: WorkerLimits = QUICK) -> list[Delivery]:
    received: list[Delivery] = []
    with broker.consume(queue, limits) as consumer:
        while not consumer.finished:
            batch = consumer.receive(0.2)
            consumer.acknowledge(batch)
            received += batch
    return received


def test_what_is_published_is_consumed_once(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(55))
    assert broker.depth(CHARACTERS.name).ready == 55
    received = _consume_all(broker, CHARACTERS.name)
    assert sorted(_ids(received)) == list(range(1, 56))
    assert {(d.attempts, d.deliveries, d.first_failed_at) for d in received} == {(0, 0, None)}
    assert received[0].message_id == f"character:{_ids(received)[0]}"
    assert received[0].queue == CHARACTERS.name
    assert broker.depth(CHARACTERS.name).ready == 0
    assert _consume_all(broker, CHARACTERS.name) == []


def test_batches_have_the_size_that_was_asked_for(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(25))
    wait_until(lambda: broker.depth(CHARACTERS.name).ready == 25)
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        sizes = []
        while not consumer.finished:
            batch = consumer.receive(0.5)
            consumer.acknowledge(batch)
            sizes.append(len(batch))
    assert max(sizes) == 10
    assert sum(sizes) == 25


def test_the_priority_lane_goes_first(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(30))
    broker.publish(CHARACTERS.name, _messages(5, first=1_000), urgent=True)
    assert broker.depth(CHARACTERS.name).ready == 35
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        time.sleep(0.3)  # RabbitMQ pushes both lanes to the consumer: nothing shows when they have arrived
        first = consumer.receive(1.0)
        assert sorted(_ids(first))[-5:] == list(range(1_000, 1_005))
        assert [delivery.urgent for delivery in first][:5] == [True] * 5
        consumer.acknowledge(first)


def test_a_bounded_consumer_loses_nothing_and_repeats_nothing(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(200))
    seen: list[int] = []

    def all_were_received() -> bool:
        seen.extend(
            _ids(_consume_all(broker, CHARACTERS.name, WorkerLimits(messages=10, idle_seconds=0.3, batch_size=5)))
        )
        return len(seen) >= 200

    wait_until(all_were_received)
    assert sorted(seen) == list(range(1, 201))


@pytest.mark.parametrize(
    "limits",
    [
        WorkerLimits(messages=20, idle_seconds=9, seconds=60, batch_size=10),
        WorkerLimits(idle_seconds=0.3, seconds=60, batch_size=10),
        WorkerLimits(idle_seconds=9, seconds=0.5, batch_size=10),
    ],
    ids=["messages", "idle", "seconds"],
)
def test_each_limit_ends_the_consumer(connect: Connect, limits: WorkerLimits) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(40))
    started = time.monotonic()
    received = _consume_all(broker, CHARACTERS.name, limits)
    assert time.monotonic() - started < 5
    assert len(received) >= min(20, limits.messages)
    if limits.messages == 20:
        assert len(received) <= 20 + 2 * limits.batch_size


def test_a_stopped_worker_delivers_what_it_holds_and_fetches_nothing_more(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(100))
    received = []
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        received += consumer.receive(1.0)
        consumer.stop()
        while not consumer.finished:
            received += consumer.receive(0.2)
        consumer.acknowledge(received)
    assert len(received) <= 30
    rest = _consume_all(broker, CHARACTERS.name)
    assert sorted(_ids(received) + _ids(rest)) == list(range(1, 101))
    assert {delivery.deliveries for delivery in rest} == {0}


def test_a_failed_try_comes_back_after_its_delay_with_the_count(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(1))
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        batch = consumer.receive(2.0)
        consumer.retry_later(batch, timedelta(seconds=1))
    started = time.monotonic()
    assert broker.depth(CHARACTERS.name).ready == 0
    assert broker.delayed() == {1.0: 1, 3.0: 0}
    again = _consume_all(broker, CHARACTERS.name, WorkerLimits(idle_seconds=3, batch_size=10))
    assert time.monotonic() - started > 0.8
    assert [(d.attempts, d.message_id) for d in again] == [(1, "character:1")]
    assert again[0].first_failed_at is not None
    assert broker.delayed() == {1.0: 0, 3.0: 0}


def test_a_deferred_message_has_not_failed(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(1), urgent=True)
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        consumer.retry_later(consumer.receive(2.0), timedelta(seconds=1), count_attempt=False)
    again = _consume_all(broker, CHARACTERS.name, WorkerLimits(idle_seconds=3, batch_size=10))
    assert [(d.attempts, d.urgent) for d in again] == [(0, True)]


def test_a_short_delay_does_not_wait_behind_a_long_one(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(2))
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        batch = sorted(consumer.receive(2.0), key=lambda delivery: delivery.message_id or "")
        consumer.retry_later(batch[:1], timedelta(seconds=3))
        consumer.retry_later(batch[1:], timedelta(seconds=1))
    again = _consume_all(broker, CHARACTERS.name, WorkerLimits(idle_seconds=4, batch_size=1))
    assert _ids(again) == [2, 1]


def test_what_was_not_settled_is_redelivered_and_counted(connect: Connect) -> None:
    first = connect()
    first.publish(CHARACTERS.name, _messages(3))
    with first.consume(CHARACTERS.name, QUICK) as consumer:
        assert len(consumer.receive(2.0)) == 3  # and its worker dies before it settles them
    second = connect()
    wait_until(lambda: second.depth(CHARACTERS.name).ready == 3)
    again = _consume_all(second, CHARACTERS.name)
    assert sorted(_ids(again)) == [1, 2, 3]
    assert {delivery.deliveries for delivery in again} == {1}


def test_a_slow_worker_keeps_what_it_holds(connect: Connect) -> None:
    broker, other = connect(), connect()
    broker.publish(CHARACTERS.name, _messages(5))
    with broker.consume(CHARACTERS.name, WorkerLimits(idle_seconds=9, batch_size=5)) as consumer:
        held = consumer.receive(2.0)
        for _ in range(10):  # more than the lease timeout in all
            assert consumer.receive(0.2) == []
        assert _consume_all(other, CHARACTERS.name) == []
        consumer.acknowledge(held)
    time.sleep(1.2)  # longer than the lease: what is acknowledged stays away
    assert _consume_all(other, CHARACTERS.name) == []


def test_two_workers_share_a_queue_without_overlap(connect: Connect) -> None:
    connect().publish(CHARACTERS.name, _messages(300))
    seen: list[int] = []

    def work(broker: WorkBroker) -> None:
        seen.extend(_ids(_consume_all(broker, CHARACTERS.name)))

    threads = [threading.Thread(target=work, args=(connect(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(1, 301))


@pytest.mark.parametrize("jump", ["- interval '1 day'", "- interval '1 hour'", "+ interval '1 day'"])
def test_a_jump_of_postgresqls_clock_costs_pgmq_no_message(engine: Engine, jump: str) -> None:
    """Messages that are ready, delayed and held when the clock jumps: seen from it, their times jump the other way."""
    broker = PgmqBroker(engine)
    broker.publish(CHARACTERS.name, _messages(3))
    with broker.consume(CHARACTERS.name, WorkerLimits(idle_seconds=5, batch_size=1)) as consumer:
        [held] = consumer.receive(5)
        consumer.retry_later(consumer.receive(5), timedelta(seconds=600))
        with engine.begin() as connection:
            table = f"pgmq.q_{CHARACTERS.name}"
            back = jump.translate(str.maketrans("+-", "-+"))
            connection.execute(sa.text(f"update {table} set vt = vt {back}, enqueued_at = enqueued_at {back}"))
        assert broker.depth(CHARACTERS.name).ready == 3
        assert sorted(_ids(_consume_all(broker, CHARACTERS.name))) == [1, 2, 3]
        consumer.acknowledge([held])  # by who held it, too
    depth = broker.depth(CHARACTERS.name)
    assert (depth.ready, depth.in_flight, depth.dead) == (0, 0, 0)


def test_what_is_delayed_or_held_stays_hidden_from_the_next_consumer(engine: Engine) -> None:
    broker = PgmqBroker(engine)
    broker.publish(CHARACTERS.name, _messages(2))
    with broker.consume(CHARACTERS.name, WorkerLimits(idle_seconds=5, batch_size=1)) as consumer:
        consumer.retry_later(consumer.receive(5), timedelta(seconds=600))
        consumer.receive(5)
        assert _consume_all(broker, CHARACTERS.name) == []
    assert broker.depth(CHARACTERS.name).in_flight == 1


def test_queues_do_not_mix(connect: Connect) -> None:
    broker = connect()
    broker.publish(CHARACTERS.name, _messages(2))
    broker.publish(KILLMAILS.name, [Message(kind="killmail", id=9, hash="a" * 40)])
    assert [d.message_id for d in _consume_all(broker, KILLMAILS.name)] == ["killmail:9"]
    assert broker.depth(CHARACTERS.name).ready == 2


def test_many_messages_are_confirmed_and_consumed(connect: Connect) -> None:
    broker = connect()
    broker.publish(TYPES.name, _messages(5_000))
    received = _consume_all(broker, TYPES.name, WorkerLimits(messages=10_000, idle_seconds=1, batch_size=500))
    assert sorted(_ids(received)) == list(range(1, 5_001))


def test_rabbitmq_keeps_heartbeats_while_the_worker_is_busy(rabbit_node: RabbitNode) -> None:
    _delete_all(rabbit_node.url)
    broker = RabbitBroker(f"{rabbit_node.url}?heartbeat=1", TIERS)
    broker.publish(CHARACTERS.name, _messages(1))
    with broker.consume(CHARACTERS.name, QUICK) as consumer:
        batch = consumer.receive(2.0)
        time.sleep(4)  # several heartbeats without a call
        consumer.acknowledge(batch)
    assert broker.depth(CHARACTERS.name).ready == 0
    broker.close()


def test_an_unreachable_rabbitmq_is_said_without_its_password() -> None:
    with pytest.raises(BrokerUnavailable) as error:
        RabbitBroker(f"amqp://me:hunter2@127.0.0.1:{free_port()}/")
    assert "hunter2" not in str(error.value)
    assert "127.0.0.1" in str(error.value)


def test_a_lost_rabbitmq_is_said_and_nothing_is_lost() -> None:
    node = RabbitNode()
    try:
        broker = RabbitBroker(node.start().url, TIERS)
        broker.publish(CHARACTERS.name, _messages(20))
        with broker.consume(CHARACTERS.name, QUICK) as consumer:
            batch = consumer.receive(2.0)
            consumer.acknowledge(batch[:5])
            broker.depth(CHARACTERS.name)  # a round trip: the acknowledgements have arrived
            node.stop()
            with pytest.raises(BrokerUnavailable):
                _receive_until_an_error(consumer)
        with pytest.raises(BrokerUnavailable):
            broker.publish(CHARACTERS.name, _messages(1, first=99))
        node.start()
        rest = _consume_all(RabbitBroker(node.url, TIERS), CHARACTERS.name)
        assert sorted(_ids(batch[:5]) + _ids(rest)) == list(range(1, 21))
    finally:
        node.remove()


def test_a_lost_postgresql_is_said(databases: Any) -> None:
    with databases.fresh() as engine:
        broker = PgmqBroker(engine)
        with _without_connections(databases, engine), pytest.raises(BrokerUnavailable):
            broker.publish(CHARACTERS.name, _messages(1))
        broker.publish(CHARACTERS.name, _messages(1))
        assert broker.depth(CHARACTERS.name).ready == 1


@contextmanager
def _without_connections(databases: Any, engine: Engine) -> Iterator[None]:
    """Refuse and end every connection to the engine's database."""
    name = str(engine.url.database)
    databases._run(f"alter database {name} allow_connections false")
    databases._run(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
    yield
    databases._run(f"alter database {name} allow_connections true")


def _receive_until_an_error(consumer: Any) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        consumer.receive(0.2)

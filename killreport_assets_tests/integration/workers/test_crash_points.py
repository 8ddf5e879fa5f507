"""A property over crash points: over distinct messages, done + ready + delayed + dead = published; copies only add."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Connection, Engine

from killreport_assets.http.errors import Refused, Unavailable
from killreport_assets.queues.broker import Consumer, Delivery, WorkerLimits
from killreport_assets.queues.catalogue import CHARACTERS, WorkQueue
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing.platform import TIERS

POINTS = ("fetched", "stored", "committed", "acknowledge", "acknowledged", "retry", "retried")
MESSAGES = range(1, 26)
LIMITS = WorkerLimits(idle_seconds=0.02, batch_size=5)


class Crash(BaseException):
    """The worker's process dies here."""


@dataclass
class CrashPoints:
    """Lets a worker die at the n-th time that it passes a point."""

    point: str
    times: int

    def passed(self, point: str) -> None:
        """The worker is at this point."""
        if point == self.point:
            self.times -= 1
            if self.times == 0:
                raise Crash


class CountingHandler(Handler[None, int]):
    """Notes in a table what is done, each message once in effect; some messages always fail, some are refused."""

    def __init__(self, crash: CrashPoints, failing: set[int], refused: set[int]) -> None:
        self._crash, self._failing, self._refused = crash, failing, refused

    @property
    def queue(self) -> WorkQueue:
        return CHARACTERS

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> dict[str, Outcome]:
        done = set(connection.execute(sa.text("select id from done")).scalars())
        return {received.message.message_id: Outcome.UNCHANGED for received in messages if received.id in done}

    def fetch(self, message: ReceivedMessage, plan: None) -> int:
        if message.id in self._failing:
            raise Unavailable("always")
        if message.id in self._refused:
            raise Refused("never")
        return message.id

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, int]], run_id: str | None
    ) -> BatchReport:
        self._crash.passed("fetched")
        for received, _ in fetched:
            insert = "insert into done (id, times) values (:id, 1) on conflict do nothing"
            connection.execute(sa.text(insert), {"id": received.id})
        self._crash.passed("stored")
        return BatchReport([Outcome.STORED] * len(fetched))


class CrashingBroker(PgmqBroker):
    """Passes the points at which the worker talks to the broker."""

    crash = CrashPoints("", 0)

    @contextmanager
    def consume(self, queue: str, limits: WorkerLimits) -> Iterator[Consumer]:
        with super().consume(queue, limits) as consumer:
            acknowledge, retry_later = consumer.acknowledge, consumer.retry_later

            def crashing_acknowledge(deliveries: Sequence[Delivery]) -> None:
                self.crash.passed("committed")
                self.crash.passed("acknowledge")
                acknowledge(deliveries)
                self.crash.passed("acknowledged")

            def crashing_retry(*arguments: Any, **options: Any) -> None:
                self.crash.passed("retry")
                retry_later(*arguments, **options)
                self.crash.passed("retried")

            consumer.acknowledge, consumer.retry_later = crashing_acknowledge, crashing_retry  # type: ignore[method-assign]
            yield consumer


def _state(engine: Engine) -> dict[str, list[int]]:
    """Where each message is: done, in the queue (ready, delayed or held by a dead worker), dead."""
    with engine.connect() as connection:

        def ids(query: str) -> list[int]:
            return sorted(connection.execute(sa.text(query)).scalars())

        return {
            "done": ids("select id from done"),
            "queued": ids(f"select cast(message ->> 'id' as bigint) from pgmq.q_{CHARACTERS.name}"),
            "dead": ids("select cast(body::jsonb ->> 'id' as bigint) from ops.dead_letters"),
        }


def _let_time_pass(engine: Engine) -> None:
    """Delays are over, and what a dead worker held is visible again."""
    with engine.begin() as connection:
        connection.execute(sa.text(f"update pgmq.q_{CHARACTERS.name} set vt = now() - interval '1 s'"))


@settings(
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    crashes=st.lists(st.tuples(st.sampled_from(POINTS), st.integers(1, 4)), max_size=8),
    failing=st.sets(st.sampled_from(MESSAGES), max_size=4),
    refused=st.sets(st.sampled_from(MESSAGES), max_size=4),
)
def test_every_message_is_done_queued_or_dead(
    engine: Engine, crashes: list[tuple[str, int]], failing: set[int], refused: set[int]
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("create table if not exists done (id bigint primary key, times int)"))
        connection.execute(sa.text(f"truncate done, ops.dead_letters, pgmq.q_{CHARACTERS.name}"))
    broker = CrashingBroker(engine, TIERS)
    publish_ids(broker, CHARACTERS, MESSAGES)
    for point, times in crashes:
        broker.crash = CrashPoints(point, times)
        with suppress(Crash):
            run_worker(CountingHandler(broker.crash, failing, refused), broker, engine, LIMITS)
        state = _state(engine)
        assert set(state["done"]) | set(state["queued"]) | set(state["dead"]) == set(MESSAGES)
        _let_time_pass(engine)
    broker.crash = CrashPoints("", 0)
    while _state(engine)["queued"]:
        run_worker(CountingHandler(broker.crash, failing, refused), broker, engine, LIMITS)
        _let_time_pass(engine)
    state = _state(engine)
    assert set(state["dead"]) == failing | refused
    assert set(state["done"]) == set(MESSAGES) - failing - refused
    with engine.connect() as connection:
        attempts = connection.execute(
            sa.text("select max(attempts) from ops.dead_letters where reason = 'attempts spent'")
        ).scalar()
    assert attempts in {None, CHARACTERS.max_attempts}

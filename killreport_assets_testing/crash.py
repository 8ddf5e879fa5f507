"""A worker that is killed, as by kill -9, at one step of its order: run as a program of its own.

`python -m killreport_assets_testing.crash STEP`, with the settings in the environment.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from killreport_assets.esi.client import EsiClient
from killreport_assets.provision.database import open_database
from killreport_assets.queues.broker import Consumer, Delivery, WorkerLimits
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets.settings import load_settings
from killreport_assets.workers.handler import BatchReport, ReceivedMessage
from killreport_assets.workers.handlers.killmails import KillmailHandler
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing.platform import TIERS

STEPS = ("after fetch", "after commit", "after publish", "before acknowledge")


def kill() -> None:
    """End this process as kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def kill_instead(deliveries: Sequence[Delivery]) -> None:
    """Die instead of acknowledging."""
    kill()


class CrashingHandler(KillmailHandler):
    """Dies when everything is fetched and nothing is written."""

    step = ""

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Any]], run_id: str | None
    ) -> BatchReport:
        if self.step == "after fetch":
            kill()
        return super().store(connection, fetched, run_id)


def crash(broker: PgmqBroker | RabbitBroker, step: str) -> None:
    """Have the broker's next call of that step kill the process."""
    publish, consume = broker.publish, broker.consume

    def crashing_publish(*arguments: Any, **options: Any) -> None:
        if step == "after commit":
            kill()
        publish(*arguments, **options)
        if step == "after publish":
            kill()

    @contextmanager
    def crashing_consume(queue: str, limits: WorkerLimits) -> Iterator[Consumer]:
        with consume(queue, limits) as inner:
            if step == "before acknowledge":
                inner.acknowledge = kill_instead  # type: ignore[method-assign]
            yield inner

    broker.publish = crashing_publish  # type: ignore[method-assign]
    broker.consume = crashing_consume  # type: ignore[method-assign]


def main() -> None:
    """Run a worker of the killmail queue until the step kills the process."""
    settings = load_settings()
    engine = open_database(settings)
    broker: PgmqBroker | RabbitBroker
    if settings.queues.amqp_url is not None:
        broker = RabbitBroker(settings.queues.amqp_url.get_secret_value(), TIERS)
    else:
        broker = PgmqBroker(engine, TIERS, timedelta(seconds=2))
    crash(broker, sys.argv[1])
    handler = CrashingHandler(EsiClient(settings, engine))
    handler.step = sys.argv[1]
    run_worker(handler, broker, engine, WorkerLimits(idle_seconds=1, batch_size=10), run_id="killed")


if __name__ == "__main__":
    main()

"""Publishing and consuming, without any work, on both brokers."""

import time
from collections.abc import Iterator

from benchmarks.result import Result
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.queues.envelope import Message

MESSAGES = 20_000
LIMITS = WorkerLimits(messages=MESSAGES, seconds=120, idle_seconds=2, batch_size=500)


def measure(name: str, broker: WorkBroker, reference: dict[str, float]) -> Iterator[Result]:
    """Publish, then consume; rates beside those of the first broker that was measured."""
    messages = [Message(kind="character", id=id_) for id_ in range(1, MESSAGES + 1)]
    started = time.monotonic()
    broker.publish(CHARACTERS.name, messages)
    published = MESSAGES / (time.monotonic() - started)
    started, consumed = time.monotonic(), 0
    with broker.consume(CHARACTERS.name, LIMITS) as consumer:
        while consumed < MESSAGES and not consumer.finished:
            batch = consumer.receive(1.0)
            consumer.acknowledge(batch)
            consumed += len(batch)
    rate = consumed / (time.monotonic() - started)
    assert consumed == MESSAGES
    for what, value in (("publish, confirmed", published), ("consume without work", rate)):
        first = reference.setdefault(what, value)
        ratio = value / first if value != first else None
        yield Result(f"{name}: {what}", value, "messages/s", "the first", ratio)

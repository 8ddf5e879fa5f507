"""Run every benchmark on servers of its own and print a line each; `python -m benchmarks writer` runs one."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.result import Result
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets_testing.databases import Databases

NAMES = (
    "startup",
    "writer",
    "brokers",
    "workers",
    "names",
    "history",
    "loader",
    "battles",
    "lake",
    "live",
    "statistics",
    "web",
)


def _measure(name: str, databases: Databases, stack: ExitStack) -> Iterator[Result]:
    # Imported now: a benchmark that starts processes of its own has this module in each of them.
    if name == "startup":
        from benchmarks import startup

        return startup.measure()
    if name == "writer":
        from benchmarks import writer

        return writer.measure(stack.enter_context(databases.fresh()), stack.enter_context(databases.fresh()))
    if name == "brokers":
        return _brokers(databases, stack)
    found: Iterator[Result] = import_module(f"benchmarks.{name}").measure(databases, stack)
    return found


def main() -> None:
    """Measure what was asked for, or everything."""
    chosen = sys.argv[1:] or NAMES
    if unknown := set(chosen) - set(NAMES):
        sys.exit(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    with ExitStack() as stack:
        server = EmbeddedPostgres(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-bench-"))))
        server.start()
        stack.callback(server.stop)
        databases = Databases(server)
        for name in chosen:
            for result in _measure(name, databases, stack):
                print(result, flush=True)


def _brokers(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    from benchmarks import brokers
    from killreport_assets.queues.pgmq import PgmqBroker
    from killreport_assets.queues.rabbitmq import RabbitBroker
    from killreport_assets_testing import rabbitmq

    reference: dict[str, float] = {}
    yield from brokers.measure("PGMQ", PgmqBroker(stack.enter_context(databases.fresh())), reference)
    if not rabbitmq.is_installed():
        print("RabbitMQ is not installed: apt install rabbitmq-server")
        return
    node = rabbitmq.RabbitNode()
    stack.callback(node.remove)
    yield from brokers.measure("RabbitMQ", RabbitBroker(node.start().url), reference)


if __name__ == "__main__":
    main()

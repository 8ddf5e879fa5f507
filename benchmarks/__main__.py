"""Run every benchmark on servers of its own and print a line each; `python -m benchmarks writer` runs one."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks import brokers, history, live, names, startup, statistics, web, workers, writer
from benchmarks.result import Result
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.rabbitmq import RabbitBroker
from killreport_assets_testing import rabbitmq
from killreport_assets_testing.databases import Databases


def main() -> None:
    """Measure what was asked for, or everything."""
    measures: dict[str, Callable[[Databases, ExitStack], Iterator[Result]]] = {
        "startup": lambda _databases, _stack: startup.measure(),
        "writer": _writer,
        "brokers": _brokers,
        "workers": workers.measure,
        "names": names.measure,
        "history": history.measure,
        "live": live.measure,
        "statistics": statistics.measure,
        "web": web.measure,
    }
    chosen = sys.argv[1:] or list(measures)
    if unknown := set(chosen) - set(measures):
        sys.exit(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(measures)}")
    with ExitStack() as stack:
        server = EmbeddedPostgres(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-bench-"))))
        server.start()
        stack.callback(server.stop)
        databases = Databases(server)
        for name in chosen:
            for result in measures[name](databases, stack):
                print(result, flush=True)


def _writer(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    return writer.measure(stack.enter_context(databases.fresh()), stack.enter_context(databases.fresh()))


def _brokers(databases: Databases, stack: ExitStack) -> Iterator[Result]:
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

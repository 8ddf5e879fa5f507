"""`killreport dev` over a fast feed, watched for long: what grows. `python -m benchmarks.soak --minutes 60`.

It is not one of the benchmarks that run by default: it takes as long as it is told.
"""

import argparse
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from benchmarks.live import COMMAND
from killreport_assets.base.network import free_port
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import DAGSTER_DATABASE, DATABASE, make_engine
from killreport_assets.monitoring.dagster_health import DEV_FILE
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets_testing.waiting import wait_until

START_SECONDS = 300.0
MIB = 1 << 20
KILLREPORT = """
select (select count(*) from pg_stat_activity where backend_type = 'client backend') as connections,
    (select count(*) from raw.killmails) as killmails,
    (select extract(epoch from now() - max(killmail_time)) from raw.killmails) as feed_lag,
    (select count(*) from ops.entity_pending where dead_at is null) as pending
"""
DAGSTER = """
select (select count(*) from event_logs) as events, (select count(*) from runs) as runs,
    (select count(*) from job_ticks) as ticks, pg_total_relation_size('event_logs') / 1048576.0 as events_mib,
    pg_total_relation_size('job_ticks') / 1048576.0 as ticks_mib, pg_total_relation_size('runs') / 1048576.0 as runs_mib
"""
EVENT_TYPES = """
select coalesce(dagster_event_type, 'a log line') as event, count(*) as events, sum(length(event)) / 1048576.0 as mib
from event_logs group by 1 order by 3 desc limit 15
"""
Sample = dict[str, float]


@dataclass(frozen=True)
class Watched:
    """A running `killreport dev`: its process, its home and its databases."""

    process: subprocess.Popen[bytes]
    home: Path
    killreport: Engine
    dagster: Engine

    def sample(self) -> Sample:
        """Everything that may grow, by name; sizes in MiB."""
        found = _row(self.killreport, KILLREPORT) | _row(self.dagster, DAGSTER)
        broker = PgmqBroker(self.killreport)
        depths = [broker.depth(queue.name) for queue in WORK_QUEUES]
        found |= {"messages": sum(depth.ready for depth in depths), "dead": sum(depth.dead for depth in depths)}
        files = [path for path in (self.home / "dagster").rglob("*") if path.is_file()]
        found |= {"files": len(files), "files_mib": sum(_size(path) for path in files) / MIB}
        return found | self._memory()

    def _memory(self) -> Sample:
        """Resident memory in MiB by program, with its helpers, and that of all runs, which come and go."""
        programs = {pid: name for name, pid in json.loads((self.home / DEV_FILE).read_text())["processes"].items()}
        dev = psutil.Process(self.process.pid)
        memory: Sample = {"dev MiB": _rss(dev), "runs MiB": 0.0, "run processes": 0}
        for child in dev.children():
            lasting, runs = _family(child)
            memory[f"{programs.get(child.pid, 'sandbox')} MiB"] = sum(map(_rss, lasting))
            memory["runs MiB"] += sum(map(_rss, runs))
            memory["run processes"] += len(runs)
        return memory


def main() -> None:
    """Watch, and print a sample at every interval and the growth at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--settle", type=float, default=5.0, help="minutes before the growth is measured")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two samples")
    parser.add_argument("--release-every", type=float, default=1.0, help="seconds between two killmails")
    options = parser.parse_args()
    with _running(options.release_every) as watched:
        begun, samples = time.monotonic(), list[tuple[float, Sample]]()
        while (minutes := (time.monotonic() - begun) / 60) < options.minutes:
            samples.append((minutes, watched.sample()))
            print(f"{minutes:6.1f} min  " + "  ".join(_shown(*pair) for pair in samples[-1][1].items()), flush=True)
            time.sleep(options.every)
        settled = [sample for sample in samples if sample[0] >= options.settle] or samples
        _print_growth(settled[0], settled[-1])
        print("\nDagster's event log by type:")
        with watched.dagster.connect() as connection:
            for event, events, mib in connection.execute(sa.text(EVENT_TYPES)):
                print(f"  {event:<34} {events:>9,} events {mib:>9.2f} MiB")


def _print_growth(first: tuple[float, Sample], last: tuple[float, Sample]) -> None:
    hours = (last[0] - first[0]) / 60
    print(f"\ngrowth per hour, from minute {first[0]:.0f} to minute {last[0]:.0f}:")
    for name, value in last[1].items():
        growth = (value - first[1].get(name, 0.0)) / hours if hours else 0.0
        print(f"  {name:<34} {value:>12,.1f} now {growth:>+14,.1f} an hour")


@contextmanager
def _running(release_every: float) -> Iterator[Watched]:
    """`killreport dev` in a home of its own."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-soak-")))
        environment = os.environ | {
            "KILLREPORT_HOME": str(home),
            "KILLREPORT_SANDBOX_PORT": str(free_port()),
            "KILLREPORT_WEBSERVER_PORT": str(free_port()),
            "KILLREPORT_FEED_INTERVAL": "10",
        }
        stack.callback(lambda: subprocess.run([COMMAND, "down"], env=environment, check=False, capture_output=True))
        command = [str(COMMAND), "dev", "--release-every", str(release_every)]
        log = stack.enter_context(Path(home, "dev.log").open("w"))
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        stack.callback(process.wait, 90)
        stack.callback(process.send_signal, signal.SIGINT)
        wait_until(lambda: "Dagster's UI" in Path(home, "dev.log").read_text(), START_SECONDS)
        server = EmbeddedPostgres(home)
        engines = [make_engine(make_url(server.url(name, "psycopg"))) for name in (DATABASE, DAGSTER_DATABASE)]
        for engine in engines:
            stack.callback(engine.dispose)
        wait_until(
            lambda: _row(engines[0], "select count(*) as killmails from raw.killmails")["killmails"], START_SECONDS
        )
        yield Watched(process, home, *engines)


def _row(engine: Engine, query: str) -> Sample:
    with engine.connect() as connection:
        row = connection.execute(sa.text(query)).mappings().one()
    return {name: float(value or 0) for name, value in row.items()}


def _family(process: psutil.Process) -> tuple[list[psutil.Process], list[psutil.Process]]:
    """A program's own processes, and those of the runs that it has started: Dagster spawns one for each."""
    with suppress(psutil.NoSuchProcess):
        if "spawn_main" in " ".join(process.cmdline()):
            return [], [process, *process.children(recursive=True)]
        families = [_family(child) for child in process.children()]
        return [process, *(one for own, _ in families for one in own)], [one for _, runs in families for one in runs]
    return [], []


def _rss(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        rss: int = process.memory_info().rss
        return rss / MIB
    return 0.0


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0


def _shown(name: str, value: float) -> str:
    return f"{name} {value:,.1f}" if value % 1 else f"{name} {value:,.0f}"


if __name__ == "__main__":
    main()

"""`killreport work`: workers in processes of their own, which finish what they hold when they are stopped."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from killreport_assets.queues.catalogue import TYPES
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import running, wait_until

KILLREPORT = str(Path(sys.executable).with_name("killreport"))
SETTLED = "select count(*) from ops.enrichments where entity_kind = 'type' and enriched_at is not null"
WAITING = f"select count(*) from pgmq.q_{TYPES.name}"


def _queue(platform: Platform, count: int) -> int:
    write_killmails(platform.engine, genuine.bodies(count), "everef")
    publish_pending(platform.engine, platform.broker)
    waiting: int = platform.scalar(WAITING)
    return waiting


def test_a_worker_empties_its_queue_and_names_itself(platform: Platform, command: Command) -> None:
    assert _queue(platform, 5) > 0
    answer = command("work", "types")
    assert (answer.code, "stored" in answer.stdout) == (0, True), answer.stderr
    assert platform.scalar(WAITING) == 0
    [(run,)] = platform.rows("select distinct consuming_run from ops.enrichments where consuming_run is not null")
    assert run.startswith(f"worker {os.getpid()} on ")


def test_a_queue_that_is_none_is_refused(command: Command, platform: Platform) -> None:
    answer = command("work", "tyypes")
    assert (answer.code, answer.is_one_line, "esi_type_info_queue" in answer.stderr) == (2, True, True)


def test_sigterm_lets_it_finish_what_it_holds_and_nothing_is_lost(platform: Platform, sandbox: Sandbox) -> None:
    waiting = _queue(platform, 60)
    sandbox.faults(latency=0.2)
    command = [KILLREPORT, "work", TYPES.name, "--forever"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_until(lambda: platform.scalar(WAITING) < waiting)
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 143, said
    left = platform.scalar(WAITING)
    assert 0 < left < waiting, said
    assert platform.scalar(f"{WAITING} where vt > now()") == 0, "a lease is left"
    sandbox.faults()
    platform.entities("type")
    assert platform.scalar(WAITING) == 0
    assert platform.scalar("select count(*) from ops.entity_pending where entity_kind = 'type'") == 0


def test_a_killed_worker_is_started_again_and_all_end_together(platform: Platform) -> None:
    command = [KILLREPORT, "work", TYPES.name, "--forever", "-i", "3"]
    with running(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        parent = psutil.Process(process.pid)
        wait_until(lambda: len(parent.children()) == 3)
        first = parent.children()
        first[0].kill()
        wait_until(lambda: len(parent.children()) == 3 and first[0].pid not in {c.pid for c in parent.children()})
        _queue(platform, 20)
        wait_until(lambda: platform.scalar(WAITING) == 0)
        workers = parent.children()
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=120)[0]
    assert process.returncode == 143, said
    assert "ended by SIGKILL; it starts again" in said
    assert not any(worker.is_running() for worker in workers)
    assert platform.scalar(SETTLED) > 0

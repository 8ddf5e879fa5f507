"""`killreport run` on configured services: what it cannot reach, a stop in the middle, a restart of its database."""

import signal
import subprocess
import time
from pathlib import Path

import psutil

from killreport_assets.base.network import free_port
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets_testing.waiting import wait_until
from killreport_assets_tests.end_to_end.conftest import COMMAND, Home

OUTAGE_SECONDS = 15
"""Longer than Dagster's own storage retries a lost connection."""


def test_a_live_run_survives_a_stop_and_an_outage_and_reports_what_it_cannot_reach(home: Home) -> None:
    with SandboxProcess() as sandbox:
        urls = sandbox.urls | {
            "KILLREPORT_R2Z2_URL": f"http://127.0.0.1:{free_port()}",
            "KILLREPORT_SDE_URL": f"http://127.0.0.1:{free_port()}",
            "KILLREPORT_ESI_MAX_RPS": "500",
        }
        _stop_a_run(home, urls)
        text = _restart_postgresql_under_a_run(home, urls)
        assert "connection refused" in text
        assert {line.split(":")[1].strip() for line in text.splitlines() if line.startswith("left behind:")} <= {
            "live feed (R2Z2)",
            "static data",
            "missing static data",
        }
        [row] = home.sql("select count(*) as killmails, count(distinct source) as sources from raw.killmails")
        assert row["killmails"] >= 1
        # Without the export, types and systems came from ESI.
        [row] = home.sql("select count(*) as unknown from marts.fct_killmails where victim_ship_name is null")
        assert row["unknown"] == 0
        [row] = home.sql("select count(*) as unknown from marts.fct_killmails where solar_system_name is null")
        assert row["unknown"] == 0


def _start(home: Home, environment: dict[str, str], output: Path) -> subprocess.Popen[str]:
    with output.open("w") as out:
        return subprocess.Popen(
            [str(COMMAND), "run", "--source", "live", "--days", "1"],
            env=home.variables(environment),
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _stop_a_run(home: Home, environment: dict[str, str]) -> None:
    output = home.path.with_name("stopped.txt")
    run = _start(home, environment, output)
    wait_until(lambda: "market history" in output.read_text(), seconds=300)
    children = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGTERM)
    assert run.wait(120) == 143, output.read_text()
    text = output.read_text()
    assert "killmails are stored" in text
    assert "`killreport run` goes on from here" in text
    assert "Traceback" not in text
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children))
    [row] = home.sql("select count(*) as unfinished from pg_stat_activity where application_name = 'dbt'")
    assert row["unfinished"] == 0


def _restart_postgresql_under_a_run(home: Home, environment: dict[str, str]) -> str:
    output = home.path.with_name("restarted.txt")
    run = _start(home, environment, output)
    wait_until(lambda: "static data" in output.read_text(), seconds=300)
    server = EmbeddedPostgres(home.path)
    server.stop()
    time.sleep(OUTAGE_SECONDS)
    server.start()
    assert run.wait(900) == 1, output.read_text()
    return output.read_text()

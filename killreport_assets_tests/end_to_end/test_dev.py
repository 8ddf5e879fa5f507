"""`killreport dev` with everything that it starts: Dagster's processes, the sandbox, the embedded server."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import psycopg
import requests

from killreport_assets.base.network import free_port
from killreport_assets_testing.waiting import wait_until
from killreport_assets_tests.end_to_end.conftest import COMMAND, Home

START_SECONDS = 180.0
LOCATIONS = "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename}}}}}"
TICKS = """{sensorsOrError(
    repositorySelector: {repositoryLocationName: "platform", repositoryName: "__repository__"}
) {... on Sensors {results {sensorState {ticks(limit: 1) {timestamp status}}}}}}"""
DEAD_PROXY = "http://127.0.0.1:9"


@dataclass
class Dev:
    """A running `killreport dev`."""

    home: Home
    process: subprocess.Popen[str]
    port: int
    output: Path

    @property
    def state(self) -> dict[str, Any]:
        """The content of HOME/dev.json."""
        state: dict[str, Any] = json.loads((self.home.path / "dev.json").read_text())
        return state

    def query(self, query: str) -> dict[str, Any]:
        """The data of a GraphQL query; empty while the UI does not answer."""
        try:
            answer = requests.post(f"http://127.0.0.1:{self.port}/graphql", json={"query": query}, timeout=30)
            data: dict[str, Any] = answer.json()["data"] if answer.ok else {}
        except requests.RequestException:
            return {}
        return data

    def is_complete(self) -> bool:
        """Whether the UI shows both code locations, loaded."""
        entries = self.query(LOCATIONS).get("workspaceOrError", {}).get("locationEntries", [])
        found = {entry["name"]: (entry["locationOrLoadError"] or {}).get("__typename") for entry in entries}
        return found == {"platform": "RepositoryLocation", "transforms": "RepositoryLocation"}

    def has_ticked_since(self, moment: float) -> bool:
        """Whether a sensor has ticked without an error."""
        sensors = self.query(TICKS).get("sensorsOrError", {}).get("results", [])
        ticks = [tick for sensor in sensors for tick in sensor["sensorState"]["ticks"]]
        return any(tick["timestamp"] > moment and tick["status"] in {"SUCCESS", "SKIPPED"} for tick in ticks)

    def kill(self, name: str) -> None:
        """Kill one of its processes, and wait until it is started again and the UI is complete."""
        killed = self.state["processes"][name]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: self.state["processes"][name] != killed)
        wait_until(self.is_complete, START_SECONDS)

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to this home but the embedded server."""
        return [
            process
            for process in psutil.process_iter(["cmdline", "environ"])
            if (process.info["environ"] or {}).get("KILLREPORT_HOME") == str(self.home.path)
            and "postgres" not in " ".join(process.info["cmdline"] or [])
            and process.status() != psutil.STATUS_ZOMBIE
        ]


@contextmanager
def _running(home: Home, **settings: str) -> Iterator[Dev]:
    port = free_port()
    ports = {
        "KILLREPORT_SANDBOX_PORT": str(free_port()),
        "KILLREPORT_WEBSERVER_PORT": str(port),
        "KILLREPORT_AUTH_PORT": str(free_port()),
    }
    environment = home.variables(ports | {"KILLREPORT_BACKLOG_INTERVAL": "10"} | settings)
    output = home.path.with_name("dev.out")
    with output.open("w") as file:
        process = subprocess.Popen([COMMAND, "dev"], env=environment, stdout=file, stderr=file, text=True)
    dev = Dev(home, process, port, output)
    try:
        wait_until(lambda: dev.is_complete() or process.poll() is not None, START_SECONDS)
        assert process.poll() is None, output.read_text()
        yield dev
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_dev_keeps_its_processes_running_and_ends_all_of_them(home: Home) -> None:
    with _running(home, **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "grpc_proxy"), DEAD_PROXY)) as dev:
        started = {"code server platform", "code server transforms", "daemon", "webserver", "web"}
        assert set(dev.state["processes"]) == started
        assert (dev.state["pid"], dev.state["port"]) == (dev.process.pid, dev.port)
        foreign = requests.get(f"http://127.0.0.1:{dev.port}/", headers={"Host": "evil.example"}, timeout=30)
        assert foreign.status_code == 403
        for name in ("webserver", "code server platform", "daemon", "web"):
            dev.kill(name)
            assert f"{name} ended by SIGKILL; it starts again in 1 s" in dev.output.read_text()
        wait_until(lambda: dev.has_ticked_since(time.time() - 5), START_SECONDS)
        second = home.run("dev", KILLREPORT_WEBSERVER_PORT=str(free_port()))
        assert (second.returncode, second.stderr.count("\n")) == (2, 1)
        assert "already runs" in second.stderr
        elsewhere = Home(home.path.with_name("elsewhere"), {"KILLREPORT_DATABASE_URL": home.database_url})
        third = elsewhere.run("dev", KILLREPORT_WEBSERVER_PORT=str(free_port()))
        assert (third.returncode, third.stderr.count("\n")) == (2, 1)
        assert "in another home or on another machine" in third.stderr
        dev.process.send_signal(signal.SIGTERM)
        assert dev.process.wait(60) == 143
        assert dev.processes() == []
        assert not (home.path / "dev.json").exists()
        with psycopg.connect(home.database_url.replace("/killreport?", "/dagster?")) as connection:
            assert connection.execute("select count(*) from daemon_heartbeats").fetchone() == (0,)
        # On a busy machine Dagster's daemon may still meet a code server that has ended, and say so at length.
        _, *tracebacks = dev.output.read_text().partition("stopping")[2].split("most recent call last")
        assert not any("/killreport_assets/" in traceback.partition("\n\n")[0] for traceback in tracebacks)


def test_a_restart_of_the_embedded_server_is_survived_and_so_is_the_death_of_dev(home: Home) -> None:
    with _running(home, KILLREPORT_ALERT_URLS="json://127.0.0.1:9/") as dev:
        assert "alerts" in dev.state["processes"]
        wait_until(lambda: dev.has_ticked_since(0), START_SECONDS)
        assert "is down" in home.run("down").stdout
        assert "is up" in home.run("up").stdout
        restarted = time.time()
        wait_until(dev.is_complete, START_SECONDS)
        wait_until(lambda: dev.has_ticked_since(restarted), START_SECONDS)
        assert dev.process.poll() is None
        dev.process.kill()
        wait_until(lambda: dev.processes() == [])


def test_a_taken_port_is_one_line_and_nothing_is_started(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = home.run("dev", KILLREPORT_WEBSERVER_PORT=str(taken.getsockname()[1]))
    assert (answer.returncode, answer.stdout, answer.stderr.count("\n")) == (2, "", 1)
    assert "set KILLREPORT_WEBSERVER_PORT" in answer.stderr
    assert not home.path.exists()


def test_dagster_dev_is_refused(home: Home) -> None:
    answer = home.run("dagster", "dev", "-w", "workspace.yaml")
    assert (answer.returncode, answer.stderr.count("\n")) == (2, 1)
    assert "killreport dev" in answer.stderr

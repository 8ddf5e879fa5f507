"""The parts of a deployment as processes of their own: code servers, daemon, Dagster's UI, and whether each lives."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from killreport_assets.base.network import free_port
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until

KILLREPORT = str(Path(sys.executable).with_name("killreport"))
START_SECONDS = 240.0
LOCATIONS = "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename}}}}}"
MUTATION = "mutation{reloadWorkspace{__typename}}"


@dataclass
class Parts:
    """Running parts, with the settings of all of them."""

    environment: dict[str, str]
    ui: int
    code_servers: tuple[int, int]
    running: dict[str, subprocess.Popen[str]]

    def lives(self, part: str, port: int | None = None) -> bool:
        """Whether `killreport health` says so."""
        options = [] if port is None else ["--port", str(port)]
        return subprocess.run([KILLREPORT, "health", part, *options], env=self.environment, check=False).returncode == 0

    def query(self, query: str) -> dict[str, object]:
        """What the UI answers."""
        url = f"http://127.0.0.1:{self.ui}/dagster/graphql"
        answer: dict[str, object] = requests.post(url, json={"query": query}, timeout=60).json()
        return answer

    def has_loaded(self) -> bool:
        """Whether the UI shows both code locations."""
        try:
            entries = str(self.query(LOCATIONS))
        except (requests.RequestException, ValueError):
            return False
        return entries.count("RepositoryLocation") == 2


@pytest.fixture
def parts(platform: Platform, databases: Databases, tmp_path: Path) -> Iterator[Parts]:
    """Everything but the web application, over one database."""
    ports = [free_port() for _ in range(3)]
    ui, platform_port, transforms_port = ports
    with ExitStack() as stack:
        dagster = stack.enter_context(databases.named())
        secret = tmp_path / "dagster-url"
        secret.write_text(databases.url(dagster).replace("+psycopg", ""))
        environment = os.environ | {
            "KILLREPORT_DAGSTER_DATABASE_URL_FILE": str(secret),
            "KILLREPORT_CODE_SERVERS": f"platform=127.0.0.1:{platform_port},transforms=127.0.0.1:{transforms_port}",
        }
        made = Parts(environment, ui, (platform_port, transforms_port), {})
        commands = {
            "platform": ["code-server", "platform", "--port", str(platform_port)],
            "transforms": ["code-server", "transforms", "--port", str(transforms_port)],
            "daemon": ["daemon"],
            "ui": ["ui", "--port", str(ui), "--read-only", "--path-prefix", "/dagster"],
        }
        for name, command in commands.items():
            process = subprocess.Popen([KILLREPORT, *command], env=environment, text=True)
            made.running[name] = process
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield made
        for process in made.running.values():
            process.terminate()
        for process in made.running.values():
            process.wait(120)


def test_each_part_runs_alone_finds_the_others_and_says_that_it_lives(parts: Parts) -> None:
    wait_until(parts.has_loaded, START_SECONDS)
    assert "UnauthorizedError" in str(parts.query(MUTATION))
    wait_until(lambda: parts.lives("daemon"), START_SECONDS)
    assert parts.lives("database")
    assert parts.lives("ui", parts.ui)
    for port in parts.code_servers:
        assert parts.lives("code-server", port)
    parts.running["daemon"].terminate()
    assert parts.running["daemon"].wait(120) == 143
    assert not parts.lives("daemon")
    parts.running["ui"].kill()
    wait_until(lambda: not parts.lives("ui", parts.ui))

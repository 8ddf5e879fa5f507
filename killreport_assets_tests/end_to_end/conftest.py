"""The command as a user types it, in homes of its own; the main job's run is shared by the tests that look at it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.sql import SQL

from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets_testing.command import Answer, run_command
from killreport_assets_testing.postgres15 import ExternalPostgres
from killreport_assets_testing.rabbitmq import RabbitNode
from killreport_assets_testing.wheel import install_wheel

COMMAND = Path(sys.executable).with_name("killreport")
# In a small process of its own: a child's peak counts from the size that its parent had.
MEASURE_PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
open(sys.argv[1], "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


@dataclass
class Home:
    """A KILLREPORT_HOME and the settings that go with it."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    command: Path = COMMAND

    @property
    def peak_file(self) -> Path:
        """Where the last command's largest process is noted, in KiB."""
        return self.path.with_name(f"{self.path.name}.peak")

    def variables(self, more: dict[str, str]) -> dict[str, str]:
        """The environment of its processes."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KILLREPORT_", "DAGSTER_"))}
        return clean | {"KILLREPORT_HOME": str(self.path), "COLUMNS": "200"} | self.environment | more

    def call(self, *arguments: str, **more: str) -> Answer:
        """Run `killreport …` in this process, outside the tree; the tree's own."""
        return run_command(arguments, self.variables(more), self.path.parent)

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run `killreport …` in a process of its own, outside the tree."""
        measured = [sys.executable, "-S", "-c", MEASURE_PEAK, str(self.peak_file), str(self.command)]
        return subprocess.run(
            [*measured, *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.path.parent,
            env=self.variables(more),
            timeout=1800,
        )

    @cached_property
    def database_url(self) -> str:
        """What `killreport database-url` prints."""
        answer = self.call("database-url")
        assert answer.code == 0, answer.stderr
        return answer.stdout.strip()

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query, with values as in JSON."""
        with psycopg.connect(self.database_url, row_factory=dict_row) as connection:
            # The statement is the test's own.
            rows = connection.execute(SQL(f"select to_jsonb(rows) as row from ({query}) rows"))
            return [row["row"] for row in rows]

    def down(self) -> None:
        """Stop its embedded server."""
        EmbeddedPostgres(self.path).stop()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A home of a newcomer: nothing is in it."""
    made = Home(tmp_path / "home")
    yield made
    made.down()


@pytest.fixture(scope="module")
def ready_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a database that is up to date, shared by the tests of a file."""
    made = Home(tmp_path_factory.mktemp("ready") / "home")
    made.call("migrate")
    yield made
    made.down()


@pytest.fixture(scope="session")
def _external_run(
    tmp_path_factory: pytest.TempPathFactory, rabbit_node: RabbitNode
) -> Iterator[tuple[Home, Future[subprocess.CompletedProcess[str]]]]:
    """Begun before the embedded run: both wait for the sandbox's limits most of the time."""
    postgres = ExternalPostgres()
    environment = {
        "KILLREPORT_DATABASE_URL": postgres.url,
        "KILLREPORT_AMQP_URL": rabbit_node.url,
        "KILLREPORT_ESI_MAX_RPS": "500",
        "KILLREPORT_R2Z2_MAX_RPS": "200",
        "KILLREPORT_ZKILLBOARD_MAX_RPS": "20",
    }
    made = Home(tmp_path_factory.mktemp("external") / "home", environment)
    with ThreadPoolExecutor(1) as pool:
        yield made, pool.submit(made.run, "run")
    postgres.remove()


@pytest.fixture(scope="session")
def embedded_run(
    tmp_path_factory: pytest.TempPathFactory, _external_run: object
) -> Iterator[tuple[Home, subprocess.CompletedProcess[str]]]:
    """`killreport run` of the installed wheel with nothing configured, once."""
    folder = tmp_path_factory.mktemp("embedded")
    environment = install_wheel(folder)
    made = Home(folder / "home", {"PYTHONPATH": ""}, environment / "bin" / "killreport")
    run = made.run("run")
    made.peak_file.rename(made.peak_file.with_suffix(".run"))
    yield made, run
    made.down()


@pytest.fixture(scope="session")
def external_run(
    _external_run: tuple[Home, Future[subprocess.CompletedProcess[str]]],
) -> tuple[Home, subprocess.CompletedProcess[str]]:
    """The same against a PostgreSQL and a RabbitMQ of the operator's own, once."""
    home, run = _external_run
    return home, run.result()

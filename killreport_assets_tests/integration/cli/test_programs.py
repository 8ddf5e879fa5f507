"""dbt, dagster and pg_dump, which take the place of the command: what they are started with."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from killreport_assets_testing.command import Command

COMMAND = [sys.executable, "-c", "from killreport_assets.cli.main import main; main()"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["dbt", "--help"], "dbt"),
        (["dbt", "build", "--help"], "--full-refresh"),
        (["dagster", "--help"], "dagster"),
        (["pg_dump", "--help"], "--schema-only"),
    ],
)
def test_the_help_is_the_programs_own_and_nothing_is_started(tmp_path: Path, arguments: list[str], says: str) -> None:
    home = tmp_path / "home"
    environment = os.environ | {"KILLREPORT_HOME": str(home)}
    answer = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False, env=environment)
    assert (answer.returncode, says in answer.stdout) == (0, True), answer.stderr
    assert "dbt_transforms with the connection set" not in answer.stdout
    assert not home.exists()


def test_pg_dump_writes_a_dump(platform_command: Command, engine: Engine) -> None:
    answer = subprocess.run(
        [*COMMAND, "pg_dump", "--schema-only", "--table", "raw.killmails"], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, "CREATE TABLE raw.killmails" in answer.stdout) == (0, True), answer.stderr


def test_no_password_is_among_the_arguments(
    platform_command: Command, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def record(_program: Path, arguments: list[str]) -> None:
        started.append(arguments)
        assert os.environ["PGPASSWORD"] == "hunter2"
        raise SystemExit(0)

    monkeypatch.setattr(os, "execv", record)
    url = engine.url.set(drivername="postgresql", password="hunter2").render_as_string(hide_password=False)
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", url)
    assert platform_command("pg_dump", "-Fc").code == 0
    [[_, connection, option]] = started
    assert (connection.startswith("--dbname=postgresql://postgres@/"), option) == (True, "-Fc")
    assert "hunter2" not in connection

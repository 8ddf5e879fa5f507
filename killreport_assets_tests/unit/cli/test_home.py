"""Commands and their home: what only asks begins no home, and what is chosen is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from killreport_assets.cli.main import app
from killreport_assets_testing.command import Command

NEED_DATA = {
    "sql": ["select 1"],
    "query": ["top_corporations"],
    "database-url": [],
    "dead-letters list": [],
    "dead-letters show": ["1"],
    "dead-letters replay": ["--all"],
    "dead-letters drop": ["--all"],
    "trace": ["killmail", "1"],
    "fit": ["1"],
    "report": ["--battle", "1", "-o", "report.html"],
    "follow": ["--list"],
    "unfollow": ["character", "1"],
    "pauses list": [],
    "pauses lift": ["esi"],
    "repair": [],
    "users list": [],
    "users show": ["1"],
    "users sync": ["--due"],
    "users interval": ["1", "standard"],
    "users forget": ["1"],
    "tokens rotate-key": [],
    "history status": [],
    "history repair": [],
    "lake export": [],
    "api token new": ["a script"],
    "api token list": [],
    "api token revoke": ["000000000000"],
    "backup": ["backups"],
    "upgrade": ["--check"],
    "analyst add": ["anna"],
    "analyst list": [],
    "analyst remove": ["anna"],
    "erase character": ["1", "--reason", "asked", "--yes"],
    "erase list": [],
    "dbt": ["debug"],
    "pg_dump": ["--schema-only"],
}
BEGIN = {
    *("run", "dev", "up", "migrate", "restore", "queue", "work", "auth serve", "web serve", "sandbox", "dagster"),
    *("daemon", "code-server", "run-worker", "ui", "history load"),
}
"""Commands that begin a home. What they start is tested elsewhere."""
START_NOTHING = {
    *("status", "doctor", "health", "metrics", "down", "settings", "tokens new-key", "alerts test", "alerts watch"),
    *("lake status", "lake verify", "lake sql", "lake publish"),
}


def _names(group: typer.Typer, prefix: str = "") -> Iterator[str]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield prefix + (command.name or command.callback.__name__.replace("_", "-"))
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from _names(child.typer_instance, f"{prefix}{child.name} " if child.name else prefix)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that does not exist yet."""
    monkeypatch.setenv("KILLREPORT_HOME", str(tmp_path / "new"))
    return tmp_path / "new"


def test_of_every_command_it_is_known_whether_it_begins_a_home() -> None:
    assert set(_names(app)) == set(NEED_DATA) | BEGIN | START_NOTHING


@pytest.mark.parametrize("name", NEED_DATA)
def test_a_command_that_needs_data_begins_no_home(command: Command, home: Path, name: str) -> None:
    answer = command(*name.split(), *NEED_DATA[name])
    assert (answer.code, answer.is_one_line) == (3, True), answer
    assert f"there is no data yet in {home}" in answer.stderr
    assert "`killreport run`" in answer.stderr
    assert not home.exists()


def test_status_of_a_new_home_says_how_to_begin(command: Command, home: Path) -> None:
    answer = command("status")
    assert answer.code == 1
    assert f"there is no data yet in {home}" in answer.stdout
    assert not home.exists()


@pytest.mark.parametrize("name", ["down", "settings"])
def test_what_starts_nothing_begins_no_home(command: Command, home: Path, name: str) -> None:
    assert command(name).code == 0
    assert not home.exists()


def test_a_home_that_was_found_is_said(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".killreport").mkdir()
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    found = command("status")
    assert found.stderr == f"using {tmp_path}/.killreport; KILLREPORT_HOME chooses another\n"
    monkeypatch.chdir(tmp_path)
    assert command("status").stderr == ""
    monkeypatch.setenv("KILLREPORT_HOME", "other")
    assert command("status").stderr == ""

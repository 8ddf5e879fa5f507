"""A database that a newer version of killreport has migrated, and a reader whose password another home has."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets_testing.command import Command


@pytest.fixture
def newer(engine: Engine) -> None:
    """The database is of a version that this one does not know."""
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '9999'"))


@pytest.mark.parametrize("arguments", [["migrate"], ["sql", "select 1"], ["users", "list"], ["queue", "types"]])
def test_a_command_that_is_older_than_the_database_says_so(
    platform_command: Command, newer: None, arguments: list[str]
) -> None:
    answer = platform_command(*arguments)
    assert (answer.code, answer.is_one_line) == (3, True), answer
    assert "this version of killreport is older than the database" in answer.stderr
    assert "install the newer version" in answer.stderr
    assert "killreport migrate" not in answer.stderr


def test_status_does_not_advise_to_migrate_then(platform_command: Command, newer: None) -> None:
    answer = platform_command("status")
    assert (answer.code, "older than the database" in answer.stdout) == (1, True)
    assert "killreport migrate" not in answer.stdout


def test_status_advises_to_migrate_an_older_database(platform_command: Command, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '0001'"))
    assert "killreport migrate" in platform_command("status").stdout


def test_a_password_in_another_home_is_said(
    platform_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform_command("sql", "select 1").code == 0  # the role exists from here on
    monkeypatch.delenv("KILLREPORT_READER_URL")
    monkeypatch.setenv("KILLREPORT_HOME", str(tmp_path / "another"))
    answer = platform_command("sql", "select 1")
    assert (answer.code, answer.is_one_line) == (3, True), answer
    assert "its password is not known in" in answer.stderr
    assert "KILLREPORT_READER_URL" in answer.stderr
    assert "may not create" not in answer.stderr

"""Commands on a server of the operator's own: what only asks creates no database and no table there."""

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from killreport_assets.database.engine import database_exists, libpq_url
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import Databases

ASK = [["sql", "select 1"], ["dead-letters", "list"], ["users", "list"], ["database-url"]]


@pytest.mark.parametrize("arguments", ASK)
def test_what_only_asks_creates_no_table(
    command: Command, databases: Databases, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    with databases.named() as name:
        monkeypatch.setenv("KILLREPORT_DATABASE_URL", databases.url(name).replace("+psycopg", ""))
        answer = command(*arguments)
        assert (answer.code, answer.is_one_line) == (3, True), answer
        assert "there is no data yet in the database of KILLREPORT_DATABASE_URL" in answer.stderr
        with psycopg.connect(libpq_url(make_url(databases.url(name)))) as connection:
            assert connection.execute("select to_regnamespace('ops')").fetchone() == (None,)


def test_a_role_that_is_missing_is_no_missing_data(
    command: Command, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(databases.url("postgres")).set(drivername="postgresql", username="stranger")
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", url.render_as_string())
    answer = command("sql", "select 1")
    assert (answer.code, answer.is_one_line) == (3, True), answer
    assert 'role "stranger" does not exist' in answer.stderr


def test_what_only_asks_creates_no_database(
    command: Command, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = databases.url("never_created")
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", url.replace("+psycopg", ""))
    answer = command("sql", "select 1")
    assert (answer.code, "there is no data yet" in answer.stderr) == (3, True)
    assert not database_exists(sa.make_url(url))

"""Analysts: what their role reads, and everything that it does not."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.database.engine import make_engine
from killreport_assets.provision.analysts import GROUP, add_analyst, list_analysts, remove_analyst
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform

NAME, OWNER = "anna_of_the_tests", "owner_of_the_tests"


@pytest.fixture
def analyst(platform: Platform) -> Iterator[Engine]:
    """An analyst's connections; the marts are made anew after the role was made, as dbt does."""
    platform.execute("create schema if not exists marts; create table marts.old as select 1 as one")
    add_analyst(platform.engine, NAME)
    platform.execute("drop table marts.old; create table marts.fct_killmails as select 7 as killmail_id")
    engine = make_engine(platform.engine.url.set(username=NAME))
    yield engine
    engine.dispose()
    remove_analyst(platform.engine, NAME)


def _says(engine: Engine, *statements: str) -> str:
    with engine.connect() as connection:
        try:
            for statement in statements:
                connection.execute(sa.text(statement))
        except sa.exc.DBAPIError as refused:
            return str(refused.orig)
    return ""


def test_an_analyst_reads_what_a_rebuild_has_made(analyst: Engine) -> None:
    with analyst.connect() as connection:
        assert connection.execute(sa.text("select killmail_id from fct_killmails")).scalar_one() == 7


@pytest.mark.parametrize(
    "table", ["ops.tokens", "ops.sign_ins", "ops.api_tokens", "raw.killmails", "ops.dead_letters", "pgmq.meta"]
)
def test_an_analyst_sees_nothing_else(analyst: Engine, table: str) -> None:
    assert "permission denied" in _says(analyst, f"select * from {table}")


def test_an_analyst_changes_nothing(analyst: Engine) -> None:
    for statement in ("delete from marts.fct_killmails", "create table marts.mine (a int)", "create schema mine"):
        assert "read-only transaction" in _says(analyst, statement)
        assert "permission denied" in _says(analyst, "set transaction read write", statement)
    assert "permission denied" in _says(analyst, "set temp_file_limit = -1")


def test_the_limits_are_those_that_are_said(platform: Platform, analyst: Engine) -> None:
    with analyst.connect() as connection:
        shown = {name: connection.execute(sa.text(f"show {name}")).scalar_one() for name in ("statement_timeout",)}
        assert shown == {"statement_timeout": "1min"}
        assert connection.execute(sa.text("show temp_file_limit")).scalar_one() == "4GB"
    assert platform.scalar(f"select rolconnlimit from pg_roles where rolname = '{NAME}'") == 4
    assert "statement timeout" in _says(analyst, "set statement_timeout = '50ms'", "select pg_sleep(30)")


def test_names_are_checked_and_listed(platform: Platform, analyst: Engine, command: Command) -> None:
    assert NAME in {found.name for found in list_analysts(platform.engine)}
    for wrong in ("Robert'); drop table students;--", "postgres", "", NAME):
        with pytest.raises(UserError):
            add_analyst(platform.engine, wrong)
    assert command("analyst", "remove", "killreport_web").is_one_line
    assert NAME in command("analyst", "list", "--csv").stdout


def test_a_role_that_is_no_superuser_makes_and_removes_analysts(platform: Platform) -> None:
    """As in a managed PostgreSQL: it owns its database and may make roles, and no more."""
    platform.execute(
        f"do $$ begin create role {OWNER} login createrole; exception when duplicate_object then null; end $$; "
        f"do $$ begin create role {GROUP} nologin; exception when duplicate_object then null; end $$; "
        f"grant {GROUP} to {OWNER} with admin option"
    )
    create = platform.engine.execution_options(isolation_level="AUTOCOMMIT")
    with create.connect() as connection:
        connection.execute(sa.text(f"drop database if exists {OWNER}"))
        connection.execute(sa.text(f"create database {OWNER} owner {OWNER}"))
    owner = make_engine(platform.engine.url.set(username=OWNER, database=OWNER))
    try:
        add_analyst(owner, "bob_of_the_tests")
        sessions = make_engine(owner.url.set(username="bob_of_the_tests"))
        with sessions.connect() as session:
            session.execute(sa.text("select 1"))
            remove_analyst(owner, "bob_of_the_tests")
            with pytest.raises(sa.exc.OperationalError):
                session.execute(sa.text("select 1"))
        sessions.dispose()
        assert "bob_of_the_tests" not in {found.name for found in list_analysts(owner)}
    finally:
        owner.dispose()

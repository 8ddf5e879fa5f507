"""Roles for analysts: they read what dbt makes, within limits, and nothing else of the platform.

All are members of one group, to which what dbt makes again is granted too. The platform's own roles are in readers.py.
"""

import re
import secrets
from dataclasses import dataclass

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import ServerRefuses, UserError
from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.provision.readers import role_exists

GROUP = "killreport_analysts"
SCHEMAS = ("marts", "staging")
"""The marts, and the documented views over the raw tables; no table with a token is beneath them."""
NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
CONNECTIONS = 4
LIMITS = {
    "default_transaction_read_only": "on",
    "statement_timeout": "'60s'",
    "idle_in_transaction_session_timeout": "'60s'",
    "search_path": "marts, staging",
}
"""What an analyst's session begins with."""
TEMP_FILES = "'4GB'"
"""Room on disk for one query; only a superuser may set this limit, and only a superuser can lift it."""


@dataclass(frozen=True)
class Analyst:
    """An analyst's role, how many sessions it has now, and since when the oldest."""

    name: str
    sessions: int


def add_analyst(engine: Engine, name: str) -> str:
    """Make a role that may log in; returns its password, which is kept nowhere.

    Raises:
        UserError: the name is none, or taken.
        ServerRefuses: the role of KILLREPORT_DATABASE_URL may not make roles.
    """
    if not NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be a name here: lower-case letters, digits and _, a letter first")
    password = secrets.token_urlsafe(18)
    try:
        with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
            if role_exists(connection, name):
                raise UserError(f"the role {name} exists already: choose another name")
            _allow_group(connection)
            connection.exec_driver_sql(
                f"create role {name} login password '{password}' connection limit {CONNECTIONS} "
                f"nosuperuser nocreatedb nocreaterole noreplication inherit in role {GROUP}"
            )
            for setting, value in LIMITS.items():
                connection.exec_driver_sql(f"alter role {name} set {setting} = {value}")
            if connection.exec_driver_sql("select rolsuper from pg_roles where rolname = current_user").scalar():
                connection.exec_driver_sql(f"alter role {name} set temp_file_limit = {TEMP_FILES}")
    except sa.exc.ProgrammingError as refused:
        if isinstance(refused.orig, psycopg.errors.InsufficientPrivilege):
            raise ServerRefuses(
                "the role of KILLREPORT_DATABASE_URL may not make roles: let an administrator `alter role … createrole`"
            ) from None
        raise
    return password


def list_analysts(engine: Engine) -> list[Analyst]:
    """Return every analyst."""
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("""
            select r.rolname, (select count(*) from pg_stat_activity a where a.usename = r.rolname)
            from pg_auth_members m join pg_roles g on g.oid = m.roleid join pg_roles r on r.oid = m.member
            where g.rolname = :group and r.rolcanlogin order by 1
            """),
            {"group": GROUP},
        )
        return [Analyst(*row) for row in rows]


def remove_analyst(engine: Engine, name: str) -> None:
    """End an analyst's sessions, and remove the role.

    Raises:
        UserError: there is no such analyst.
    """
    if name not in {analyst.name for analyst in list_analysts(engine)}:
        raise UserError(f"there is no analyst {name!r}; killreport analyst list")
    with advisory_lock(engine, Lock.MIGRATION) as connection:
        with connection.begin():  # in force before the sessions end: none begins in between
            connection.exec_driver_sql(f"alter role {name} nologin")
            # Else only a superuser may end another's sessions, or drop what it owns.
            connection.exec_driver_sql(f"grant {name} to current_user")
        with connection.begin():
            connection.execute(
                sa.text("select pg_terminate_backend(pid) from pg_stat_activity where usename = :name"), {"name": name}
            )
            connection.exec_driver_sql(f"drop owned by {name}")
            connection.exec_driver_sql(f"drop role {name}")


def _allow_group(connection: Connection) -> None:
    """Make the group, and grant to it what there is and what the role that builds will make."""
    if not role_exists(connection, GROUP):
        connection.exec_driver_sql(f"create role {GROUP} nologin")
    for schema in SCHEMAS:
        connection.exec_driver_sql(f"create schema if not exists {schema}")
        connection.exec_driver_sql(f"grant usage on schema {schema} to {GROUP}")
        connection.exec_driver_sql(f"grant select on all tables in schema {schema} to {GROUP}")
        connection.exec_driver_sql(f"alter default privileges in schema {schema} grant select on tables to {GROUP}")

"""Migrate a database's schemas raw, ops and derived to the version of this package (Alembic).

The versions are in migrations/versions, the tables in store/schema/.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database.locks import Lock, advisory_lock, hold_until_commit, share_until_commit

if TYPE_CHECKING:
    from alembic.config import Config

MIGRATIONS = Path(__file__).parent / "migrations"
SCHEMAS = ("raw", "ops", "derived")


def alembic_config(connection: Connection | None = None) -> "Config":
    """Alembic's configuration, which runs on `connection`."""
    from alembic.config import Config  # imported here: it takes a quarter of a second, and most commands do not need it

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


@cache
def head() -> str:
    """The version of this package's schema."""
    from alembic.script import ScriptDirectory

    newest = ScriptDirectory.from_config(alembic_config()).get_current_head()
    if newest is None:
        raise LookupError(f"there are no migrations in {MIGRATIONS}")
    return newest


def current_version(connection: Connection) -> str | None:
    """The version of the database's schema, None for a new database."""
    if connection.execute(sa.text("select to_regclass('ops.alembic_version')")).scalar() is None:
        return None
    version: str | None = connection.execute(sa.text("select version_num from ops.alembic_version")).scalar()
    return version


def hold_version(connection: Connection) -> None:
    """Let a migration wait until this transaction ends; call it first in a transaction that writes.

    A process that outlives an upgrade stops here. One session of a process at a time: a second would wait for a
    migration that waits for the first.

    Raises:
        ServerRefuses: a newer package has migrated the database.
    """
    share_until_commit(connection, Lock.WRITERS)
    version = current_version(connection)
    if version != head():
        _refuse_newer(version)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, for whose end a migration waits: see `hold_version`."""
    with engine.begin() as connection:
        hold_version(connection)
        yield connection


def _refuse_newer(version: str | None) -> None:
    if version is not None and (problem := unknown_version(version)):
        raise ServerRefuses(problem)


def unknown_version(version: str) -> str | None:
    """The sentence for a version that no migration of this package makes; None for one that it knows."""
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory.from_config(alembic_config()).walk_revisions()}
    if version in known:
        return None
    return (
        f"this version of killreport is older than the database, whose schema is {version}, not {head()}: "
        f"install the newer version"
    )


def migrate(engine: Engine, target: str | None = None) -> bool:
    """Upgrade to `target`, by default the head; False if there was nothing to do.

    If two processes migrate at once, the second waits; so do transactions that write, and it waits for those.

    Raises:
        ServerRefuses: the database is newer than this package.
    """
    target = target or head()
    with engine.connect() as connection:
        if current_version(connection) == target:
            return False
    with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
        version = current_version(connection)
        if version == target:
            return False
        _refuse_newer(version)
        from alembic import command

        hold_until_commit(connection, Lock.WRITERS)  # before any table: writers take it before any table, too
        for schema in SCHEMAS:
            connection.execute(sa.text(f"create schema if not exists {schema}"))
        command.upgrade(alembic_config(connection), target)
    return True

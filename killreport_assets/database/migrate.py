"""Bring a database's schemas raw and ops to the version of this package (Alembic).

What the versions do is in migrations/versions; the tables' shape is in tables.py.
"""

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import UserError
from killreport_assets.database.locks import Lock, advisory_lock

HEAD = "0004"


def current_version(connection: Connection) -> str | None:
    """The version of the database's schema, None for a new database."""
    if connection.execute(sa.text("select to_regclass('ops.alembic_version')")).scalar() is None:
        return None
    version: str | None = connection.execute(sa.text("select version_num from ops.alembic_version")).scalar()
    return version


def migrate(engine: Engine, target: str = HEAD) -> bool:
    """Upgrade to `target`; False when there was nothing to do. Of two processes at once, the second waits.

    Raises:
        UserError: the database is newer than this package.
    """
    with engine.connect() as connection:
        if current_version(connection) == target:
            return False
    with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
        version = current_version(connection)
        if version == target:
            return False
        if version is not None and version > HEAD:
            raise UserError(f"the database is at version {version}, this package knows {HEAD}: upgrade the package")
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        connection.execute(sa.text("create schema if not exists raw"))
        connection.execute(sa.text("create schema if not exists ops"))
        command.upgrade(config, target)
    return True

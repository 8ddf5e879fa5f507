"""Databases for tests: made from a migrated template in a fraction of a second, dropped afterwards."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock
from killreport_assets.database.migrate import migrate
from killreport_assets.queues.pgmq import install_queues
from killreport_assets.store.origin import stamp_origin

TEMPLATE = "killreport_template"
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = :lock"


def waiting_for(engine: Engine, lock: Lock) -> int:
    """How many sessions wait for an advisory lock."""
    with engine.connect() as connection:
        count: int = connection.execute(sa.text(WAITING), {"lock": int(lock) & 0xFFFFFFFF}).scalar_one()
    return count


class Databases:
    """Makes databases on an embedded server."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._admin = sa.create_engine(
            server.url("postgres", "psycopg"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool
        )
        self._run(f"drop database if exists {TEMPLATE} with (force)")
        self._run(f"create database {TEMPLATE}")
        template = make_engine(make_url(server.url(TEMPLATE, "psycopg")))
        migrate(template)
        stamp_origin(template, "sandbox")
        install_queues(template)
        template.dispose()

    def url(self, name: str) -> str:
        """The URL of a database of this name."""
        return self._server.url(name, "psycopg")

    @contextmanager
    def fresh(self) -> Iterator[Engine]:
        """A migrated database, stamped sandbox, with PGMQ's queues."""
        with self.named(TEMPLATE) as name:
            engine = make_engine(make_url(self.url(name)))
            yield engine
            engine.dispose()

    @contextmanager
    def named(self, template: str = "template1") -> Iterator[str]:
        """The name of a new database, which is dropped afterwards."""
        name = f"test_{secrets.token_hex(6)}"
        self._run(f"create database {name} template {template}")
        yield name
        self._run(f"drop database {name} with (force)")

    def _run(self, statement: str) -> None:
        with self._admin.connect() as connection:
            connection.execute(sa.text(statement))

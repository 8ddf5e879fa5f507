"""KillReport's advisory locks in PostgreSQL, and the functions that take them.

They guard work that only one process may do at a time. Row locks belong to the queries that need them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine


@unique
class Lock(IntEnum):
    """The keys of the locks: unique within KillReport, and unlikely to be used by another program."""

    MIGRATION = 7_304_114_501
    """Changing the schema, or installing PGMQ and its queues."""
    PARTITIONS = 7_304_114_502
    """Creating the partitions of a month."""
    TRANSFORMS_BUILD = 7_304_114_503
    """A dbt build: held for minutes."""
    NAMES = 7_304_114_504
    """Resolving names in bulk: held while ESI answers."""
    KEY_ROTATION = 7_304_114_505
    """Encrypting users' tokens with a new key."""


@contextmanager
def advisory_lock(engine: Engine, lock: Lock) -> Iterator[Connection]:
    """Wait for a lock and hold it; yields the connection that holds it, with no transaction open.

    The lock belongs to the session, so no transaction stays open while it is held. A process that dies releases it.
    """
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(int(lock))))
        connection.commit()
        with _released(connection, lock):
            yield connection


@contextmanager
def try_advisory_lock(engine: Engine, lock: Lock) -> Iterator[Connection | None]:
    """Like `advisory_lock`, but yields None immediately if another session holds the lock."""
    with engine.connect() as connection:
        is_taken = connection.execute(sa.select(sa.func.pg_try_advisory_lock(int(lock)))).scalar_one()
        connection.commit()
        if not is_taken:
            yield None
            return
        with _released(connection, lock):
            yield connection


@contextmanager
def _released(connection: Connection, lock: Lock) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.invalidate()  # the connection may be broken; a session that ends releases its locks
        raise
    connection.execute(sa.select(sa.func.pg_advisory_unlock(int(lock))))
    connection.commit()

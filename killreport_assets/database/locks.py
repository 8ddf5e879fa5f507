"""KillReport's advisory locks in PostgreSQL, and the functions that take them.

They guard work that only one process may do at a time, and say which processes live. A long wait for one is
logged, with the process that holds it. Row locks belong to the queries that need them.
"""

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum, unique

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

FIRST_WARNING_SECONDS, NEXT_WARNING_SECONDS = 5.0, 60.0
log = logging.getLogger(__name__)


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
    WRITERS = 7_304_114_506
    """Shared by transactions that write; a migration takes it alone."""
    LAKE = 7_304_114_510
    """Exporting into the lake: held for minutes."""
    FEED = 7_304_114_507
    """Following the live feed, which has one cursor: held while the service answers."""
    LIVE_FEED = 7_304_114_509
    """Numbering the entries of our own live feed."""
    DAEMON = 7_304_114_508
    """Running Dagster's daemon, in Dagster's database: held as long as it runs."""


PUBLISHERS = 1_700_715
"""The first key of publishers' locks; the second is the publisher's number."""


@contextmanager
def advisory_lock(engine: Engine, lock: Lock) -> Iterator[Connection]:
    """Wait for a lock and hold it; yields the connection that holds it, with no transaction open.

    The lock belongs to the session, so no transaction stays open while it is held. A process that dies releases it.
    """
    with engine.connect() as connection:
        _take(connection, lock, "advisory_lock")
        connection.commit()
        with _released(connection, int(lock)):
            yield connection


@contextmanager
def try_advisory_lock(engine: Engine, lock: Lock) -> Iterator[Connection | None]:
    """Like `advisory_lock`, but yields None immediately if another session holds the lock."""
    with engine.connect() as connection:
        if not hold_while_connected(connection, lock):
            yield None
            return
        with _released(connection, int(lock)):
            yield connection


def share_until_commit(connection: Connection, lock: Lock) -> None:
    """Wait for a lock that others may share, and hold it until the transaction ends."""
    _take(connection, lock, "advisory_xact_lock_shared")


def hold_until_commit(connection: Connection, lock: Lock) -> None:
    """Wait for a lock and hold it alone until the transaction ends."""
    _take(connection, lock, "advisory_xact_lock")


def hold_while_connected(connection: Connection, lock: Lock) -> bool:
    """Take a lock until the session ends; False if another session holds it."""
    is_taken: bool = connection.execute(sa.select(sa.func.pg_try_advisory_lock(int(lock)))).scalar_one()
    connection.commit()
    return is_taken


def is_held(connection: Connection, lock: Lock) -> bool:
    """Whether any session of this database holds a lock."""
    return bool(_holders(connection, lock))


@contextmanager
def publisher_lock(engine: Engine) -> Iterator[tuple[Connection, int]]:
    """Hold a lock of its own; yields its connection, with no transaction open, and the publisher's number.

    Others see in `publishers` whether the process lives.
    """
    number = 1 + secrets.randbelow(2**31 - 1)
    with engine.connect() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(PUBLISHERS, number)))
        connection.commit()
        with _released(connection, PUBLISHERS, number):
            yield connection, number


def publishers(connection: Connection) -> set[int]:
    """The numbers of the publishers that hold their lock."""
    held = connection.execute(
        sa.text("""
        select cast(l.objid as bigint) from pg_locks l join pg_database d on d.oid = l.database
        where d.datname = current_database() and l.locktype = 'advisory' and l.granted
            and l.classid = cast(:first_key as oid) and l.objsubid = 2  -- a lock with two keys
        """),
        {"first_key": PUBLISHERS},
    )
    return set(held.scalars())


def _take(connection: Connection, lock: Lock, function: str) -> None:
    """Take a lock with this function of PostgreSQL; a long wait is logged."""
    if connection.execute(sa.select(getattr(sa.func, f"pg_try_{function}")(int(lock)))).scalar_one():
        return
    is_taken = threading.Event()
    logging_holders = threading.Thread(
        target=_log_holders, args=(connection.engine, lock, is_taken), daemon=True, name="lock-holders"
    )
    logging_holders.start()
    try:
        connection.execute(sa.select(getattr(sa.func, f"pg_{function}")(int(lock))))
    finally:
        is_taken.set()
        logging_holders.join()


def _log_holders(engine: Engine, lock: Lock, is_taken: threading.Event) -> None:
    pause = FIRST_WARNING_SECONDS
    while not is_taken.wait(pause):
        pause = NEXT_WARNING_SECONDS
        with suppress(sa.exc.SQLAlchemyError), engine.connect() as connection:
            holders = ", ".join(_holders(connection, lock))
            if holders:
                log.warning("waiting for the lock %s of PostgreSQL, held by %s", lock.name, holders)


def _holders(connection: Connection, lock: Lock) -> list[str]:
    return list(connection.execute(_HOLDERS, {"key": int(lock)}).scalars())


_HOLDERS = sa.text("""
    select format('%s (PostgreSQL''s process %s, %s since %s UTC)', coalesce(nullif(a.application_name, ''), a.usename),
                  l.pid, a.state, to_char(a.state_change at time zone 'utc', 'HH24:MI:SS'))
    from pg_locks l join pg_database d on d.oid = l.database left join pg_stat_activity a on a.pid = l.pid
    where d.datname = current_database() and l.locktype = 'advisory' and l.granted
        and (cast(l.classid as bigint) << 32) + cast(l.objid as bigint) = :key
        and l.objsubid = 1  -- a lock with one key
    order by a.state_change
""")


@contextmanager
def _released(connection: Connection, *keys: int) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.invalidate()  # the connection may be broken; a session that ends releases its locks
        raise
    connection.execute(sa.select(sa.func.pg_advisory_unlock(*keys)))
    connection.commit()

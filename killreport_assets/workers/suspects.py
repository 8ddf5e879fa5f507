"""Messages that may kill their workers: `ops.suspect_messages`.

A message that was delivered often without being settled is a suspect, whatever the cause: an outage of a server returns
messages too. Only the deaths of workers that handle a suspect alone count against it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Engine

from killreport_assets.queues.broker import Delivery
from killreport_assets.store.schema import tables

SUSPECT_AFTER = 10
"""Deliveries without being settled after which a message is handled alone."""
MAX_DEATHS = 3
"""Workers that may die of a message before it is a dead letter."""


@contextmanager
def handled_alone(engine: Engine, delivery: Delivery) -> Iterator[int]:
    """Record that a worker handles this suspect alone; yields the number of workers that died of it before.

    The record is deleted when the block ends, also by an error: only a process that dies leaves it.
    """
    table = tables.suspect_messages
    fingerprint = hashlib.sha256(f"{delivery.queue}\n".encode() + delivery.body).hexdigest()
    statement = insert(table).values(fingerprint=fingerprint, queue=delivery.queue)
    again = {"tries": table.c.tries + 1, "tried_at": sa.func.now()}
    statement = statement.on_conflict_do_update(index_elements=["fingerprint"], set_=again)
    with engine.begin() as connection:
        tries = connection.execute(statement.returning(table.c.tries)).scalar_one()

    def forget() -> None:
        with engine.begin() as connection:
            connection.execute(sa.delete(table).where(table.c.fingerprint == fingerprint))

    try:
        yield tries - 1
    except (Exception, KeyboardInterrupt, SystemExit):
        with suppress(sa.exc.SQLAlchemyError):
            forget()
        raise
    forget()

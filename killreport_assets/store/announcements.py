"""Announcing stored killmails a PostgreSQL notification, sent when the transaction commits."""

import json
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

CHANNEL = "killreport_killmails"
MAX_IDS = 400
"""A notification holds 8,000 bytes."""


def announce(connection: Connection, killmail_ids: Sequence[int]) -> None:
    """Announce killmails of the feed or of a sync; loads of history are not announced.

    Transactions that announce commit one after the other, so a batch announces once.
    """
    for start in range(0, len(killmail_ids), MAX_IDS):
        payload = json.dumps(list(killmail_ids[start : start + MAX_IDS]))
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, payload)))

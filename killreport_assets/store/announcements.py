"""Our own live feed of killmails as they are stored: `ops.live_feed`, and a PostgreSQL notification.

Entries are numbered when they are read, after their transactions have committed: numbers have no gaps, and no entry
appears before one that is there already. Loads of history are not announced.
"""

import json
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.database.locks import Lock, hold_until_commit
from killreport_assets.store.schema.operations import live_feed

CHANNEL = "killreport_killmails"
KEPT = timedelta(days=2)
"""How long entries are kept; zKillboard's R2Z2 keeps about a day."""
_MAX_IDS = 400
"""A notification holds 8,000 bytes."""
_NUMBER = sa.text("""
    update ops.live_feed as entry set sequence = numbered.sequence from (
        select killmail_id, (select coalesce(max(sequence), 0) from ops.live_feed)
            + row_number() over (order by announced_at, killmail_id) as sequence
        from ops.live_feed where sequence is null
    ) as numbered where entry.killmail_id = numbered.killmail_id
""")
_PURGE = sa.text("""
    delete from ops.live_feed where announced_at < now() - cast(:kept as interval)
        and sequence < (select max(sequence) from ops.live_feed)
""")


def announce(connection: Connection, killmail_ids: Sequence[int]) -> None:
    """Announce killmails that this transaction stores.

    Transactions that announce commit one after the other, so a batch announces once.
    """
    if not killmail_ids:
        return
    rows = [{"killmail_id": killmail_id} for killmail_id in killmail_ids]
    connection.execute(insert(live_feed).values(rows).on_conflict_do_nothing())
    for start in range(0, len(killmail_ids), _MAX_IDS):
        payload = json.dumps(list(killmail_ids[start : start + _MAX_IDS]))
        connection.execute(sa.select(sa.func.pg_notify(CHANNEL, payload)))


def number_entries(connection: Connection) -> None:
    """Number the entries that have no number yet, and delete old ones; one transaction at a time."""
    if connection.execute(sa.select(sa.exists().where(live_feed.c.sequence.is_(None)))).scalar_one():
        hold_until_commit(connection, Lock.LIVE_FEED)
        connection.execute(_NUMBER)
        connection.execute(_PURGE, {"kept": KEPT})


def newest_entry(connection: Connection) -> int:
    """The number of the newest entry; 0 without any."""
    return int(connection.execute(sa.select(sa.func.coalesce(sa.func.max(live_feed.c.sequence), 0))).scalar_one())


def entry(connection: Connection, sequence: int) -> sa.RowMapping | None:
    """An entry: killmail_id, sequence, announced_at; None if there is none."""
    query = sa.select(live_feed).where(live_feed.c.sequence == sequence)
    return connection.execute(query).mappings().one_or_none()

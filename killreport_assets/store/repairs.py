"""Mending what the writer would refuse today: a killmail that is stored twice, with two times."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.store.changed_days import mark_days
from killreport_assets.store.schema import tables

REASON = "killmail_time: stored later than the same id with another time"


@dataclass(frozen=True)
class Duplicate:
    """A row of `raw.killmails` whose id was stored before with another time."""

    killmail_id: int
    killmail_time: datetime
    first_time: datetime
    """The time of the row that was stored first."""
    source: str


def killmails_with_two_times(connection: Connection) -> list[Duplicate]:
    """Find the rows whose id is stored twice; reads every killmail's id."""
    rows = connection.execute(
        sa.text("""
        with repeated as (
            select killmail_id from raw.killmails group by killmail_id having count(*) > 1
        ), ranked as (
            select killmail_id, killmail_time, source,
                   first_value(killmail_time) over w as first_time, row_number() over w as place
            from raw.killmails join repeated using (killmail_id)
            window w as (partition by killmail_id order by stored_at, killmail_time)
        )
        select killmail_id, killmail_time, first_time, source from ranked where place > 1 order by 1, 2
        """)
    )
    return [
        Duplicate(row.killmail_id, row.killmail_time.astimezone(UTC), row.first_time.astimezone(UTC), row.source)
        for row in rows
    ]


def reject_duplicates(engine: Engine) -> list[Duplicate]:
    """Move those rows to `ops.rejected_killmails`, and mark their days as changed; the row stored first stays."""
    with writing(engine) as connection:
        found = killmails_with_two_times(connection)
        if not found:
            return []
        _keep(connection, found)
        given = {"ids": [one.killmail_id for one in found], "times": [one.killmail_time for one in found]}
        listed = "unnest(cast(:ids as bigint[]), cast(:times as timestamptz[])) as given (id, time)"
        for table in (tables.killmail_items, tables.killmail_attackers, tables.killmails):
            connection.execute(
                sa.text(
                    f"delete from {table.fullname} t using {listed} where killmail_id = id and killmail_time = time"
                ),
                given,
            )
        days = f"select cast(time at time zone 'UTC' as date) from {listed}"
        mark_days(connection, days, given)
    return found


def _keep(connection: Connection, found: Sequence[Duplicate]) -> None:
    statement = sa.dialects.postgresql.insert(tables.rejected_killmails).on_conflict_do_nothing()
    connection.execute(
        statement,
        [
            {
                "fingerprint": f"duplicate:{one.killmail_id}:{one.killmail_time:%FT%TZ}",
                "killmail_id": one.killmail_id,
                "source": one.source,
                "reason": f"{REASON}, {one.first_time:%FT%TZ}",
                "body": json.dumps({"killmail_id": one.killmail_id, "killmail_time": f"{one.killmail_time:%FT%TZ}"}),
            }
            for one in found
        ],
    )

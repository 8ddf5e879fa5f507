"""Which killmails are stored or rejected, and zKillboard's values for them. killmails.py stores killmails."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row


def known_killmails(connection: Connection, killmail_ids: Sequence[int]) -> set[int]:
    """Which of these killmails are stored."""
    column = tables.killmails.c.killmail_id
    return set(connection.execute(sa.select(column).where(tables.among(column, killmail_ids))).scalars())


def recently_rejected(connection: Connection, killmail_ids: Sequence[int], within: timedelta) -> set[int]:
    """Which of these killmails were rejected within this time."""
    table = tables.rejected_killmails
    query = sa.select(table.c.killmail_id).where(
        tables.among(table.c.killmail_id, killmail_ids), table.c.rejected_at > sa.func.now() - within
    )
    return set(connection.execute(query).scalars())


def write_zkillboard_values(connection: Connection, rows: Sequence[Row]) -> None:
    """Store zKillboard's values, one row per killmail; the row observed last wins."""
    latest: dict[int, Row] = {}
    for row in rows:
        known = latest.get(row["killmail_id"])
        if known is None or known["observed_at"] <= row["observed_at"]:
            latest[row["killmail_id"]] = row
    write_rows(connection, tables.zkillboard_values, list(latest.values()), latest_by="observed_at")

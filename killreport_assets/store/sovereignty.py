"""Writing sovereignty campaigns: those that are listed, and that those which are not any more have ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.columns import Row

Scores = Mapping[int, Mapping[int, float]]
"""By campaign, the score of each participant."""


def write_campaigns(
    connection: Connection, campaigns: Sequence[Row], scores: Scores, observed_at: datetime, *, is_whole: bool = True
) -> int:
    """Store all campaigns that were listed at this moment; returns how many have ended since the list before.

    Of a list that is not whole, none has ended. A campaign that is listed again after all goes on.
    """
    rows = [row | {"observed_at": observed_at, "ended_at": None} for row in campaigns]
    write_rows(connection, tables.sovereignty_campaigns, rows, latest_by="observed_at")
    participants = [
        {"campaign_id": campaign_id, "alliance_id": alliance_id, "score": score}
        for campaign_id, of_campaign in scores.items()
        for alliance_id, score in of_campaign.items()
    ]
    write_rows(connection, tables.sovereignty_participants, participants)
    if not is_whole:
        return 0
    ended = connection.execute(
        sa.text("""
        update raw.sovereignty_campaigns set ended_at = :observed_at
        where ended_at is null and observed_at < :observed_at and campaign_id <> all(:listed)
        """),
        {"observed_at": observed_at, "listed": [row["campaign_id"] for row in campaigns]},
    )
    return ended.rowcount

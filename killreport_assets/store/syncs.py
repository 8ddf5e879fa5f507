"""Syncs of killmail lists: `ops.syncs` has a row for each, successful or not."""

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

COMPLETE, UNCHANGED = "complete", "unchanged"
CUT_SHORT, CONTINUED = "more than the pages allowed", "cut short: goes on at the next sync"
"""Outcomes of successful syncs; others are the error of a failed one, or dead for a dead letter."""
SUCCESSES = (COMPLETE, UNCHANGED, CUT_SHORT, CONTINUED)


def recently_synced(connection: Connection, source: str, subjects: Sequence[str], within: timedelta) -> set[str]:
    """Which of the subjects had a successful sync within this time."""
    rows = connection.execute(
        sa.text("""
        select distinct subject from ops.syncs
        where source = :source and subject = any(:subjects) and outcome = any(:successes)
            and started_at > now() - cast(:within as interval)
        """),
        {"source": source, "subjects": list(subjects), "within": within, "successes": list(SUCCESSES)},
    )
    return set(rows.scalars())

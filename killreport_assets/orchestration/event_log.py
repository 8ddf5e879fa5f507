"""Retention for Dagster's event log: old log lines and transient events are deleted, materializations are kept.

Dagster has no setting for it (dagster-io/dagster#33785); the query follows Dagster's documentation.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

BATCH_ROWS = 20_000
TRANSIENT = (
    "ASSET_MATERIALIZATION_PLANNED",
    "ASSET_OBSERVATION",
    "ENGINE_EVENT",
    "HANDLED_OUTPUT",
    "LOADED_INPUT",
    "LOGS_CAPTURED",
    "RESOURCE_INIT_STARTED",
    "RESOURCE_INIT_SUCCESS",
    "STEP_INPUT",
    "STEP_OUTPUT",
    "STEP_WORKER_STARTED",
    "STEP_WORKER_STARTING",
)


def purge_event_log(dagster: Engine, keep: timedelta) -> int:
    """Delete transient events older than `keep` from Dagster's database; returns the number of deleted rows."""
    before = datetime.now(UTC).replace(tzinfo=None) - keep  # Dagster writes naive UTC
    purged = 0
    while True:
        with dagster.begin() as connection:
            count = connection.execute(
                sa.text("""
                delete from event_logs where id in (
                    select id from event_logs
                    where timestamp < :before and (dagster_event_type is null or dagster_event_type = any(:transient))
                    order by id limit :batch_rows)
                """),
                {"before": before, "transient": list(TRANSIENT), "batch_rows": BATCH_ROWS},
            ).rowcount
        purged += count
        if count < BATCH_ROWS:
            return purged

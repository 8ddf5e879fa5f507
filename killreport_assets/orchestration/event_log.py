"""Dagster's event log, kept small: log lines and transient events go after a while, materializations stay.

Dagster has no retention of its own for it (dagster-io/dagster#33785); the recipe is that of its documentation.
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Engine

AT_ONCE = 20_000
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
    """Delete from Dagster's database what is transient and older; returns how many rows that were."""
    before = datetime.now(UTC).replace(tzinfo=None) - keep  # Dagster writes naive UTC
    purged = 0
    while True:
        with dagster.begin() as connection:
            count = connection.execute(
                sa.text("""
                delete from event_logs where id in (
                    select id from event_logs
                    where timestamp < :before and (dagster_event_type is null or dagster_event_type = any(:transient))
                    order by id limit :at_once)
                """),
                {"before": before, "transient": list(TRANSIENT), "at_once": AT_ONCE},
            ).rowcount
        purged += count
        if count < AT_ONCE:
            return purged

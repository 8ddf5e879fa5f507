"""Retention for Dagster's database: old events go first, then runs with their events, log files and checks.

Dagster has no setting for it (dagster-io/dagster#33785); the queries follow Dagster's documentation. What its UI shows
of an asset, a partition or a check as the latest is kept, however old, and so are each job's latest runs.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

BATCH_ROWS, BATCH_RUNS = 20_000, 200
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
STATES = ("ASSET_MATERIALIZATION", "FRESHNESS_STATE_CHANGE")
"""The events whose latest is the state of its asset, or of its partition."""
_IS_PAST = """
    exists (select from event_logs newer where newer.asset_key = event_logs.asset_key
        and newer.dagster_event_type = event_logs.dagster_event_type
        and newer.partition is not distinct from event_logs.partition and newer.id > event_logs.id)
"""


def purge_event_log(dagster: Engine, keep: timedelta) -> int:
    """Delete transient events older than `keep` from Dagster's database; returns the number of deleted rows."""
    before = datetime.now(UTC).replace(tzinfo=None) - keep  # Dagster writes naive UTC
    purged = 0
    while True:
        with dagster.begin() as connection:
            count = connection.execute(
                sa.text(f"""
                delete from event_logs where id in (
                    select id from event_logs
                    where timestamp < :before and (dagster_event_type is null or dagster_event_type = any(:transient)
                        or (dagster_event_type = 'FRESHNESS_STATE_CHANGE' and {_IS_PAST}))
                    order by id limit :batch_rows)
                """),
                {"before": before, "transient": list(TRANSIENT), "batch_rows": BATCH_ROWS},
            ).rowcount
        purged += count
        if count < BATCH_ROWS:
            return purged


def purge_runs(instance: dg.DagsterInstance, dagster: Engine, keep: timedelta) -> int:
    """Delete runs that ended longer than `keep` ago, with all that Dagster stores of them; returns their number."""
    purged = 0
    while runs := _old_runs(dagster, keep):
        for run_id in runs:
            instance.compute_log_manager.delete_logs(prefix=[run_id])
        with dagster.begin() as connection:
            for statement in _DELETIONS:
                connection.execute(statement, {"runs": runs, "states": list(STATES)})
        purged += len(runs)
    return purged


def purge_celery_results(dagster: Engine, keep: timedelta) -> int:
    """Delete what Celery has noted of runs longer than `keep` ago (celery_runs.py); returns the number of rows."""
    with dagster.begin() as connection:
        if connection.execute(sa.text("select to_regclass('celery_taskmeta')")).scalar() is None:
            return 0
        before = datetime.now(UTC).replace(tzinfo=None) - keep
        return connection.execute(
            sa.text("delete from celery_taskmeta where date_done < :before"), {"before": before}
        ).rowcount


def _old_runs(dagster: Engine, keep: timedelta) -> list[str]:
    with dagster.connect() as connection:
        found = connection.execute(
            sa.text("""
            select run_id from runs
            where status in ('SUCCESS', 'FAILURE', 'CANCELED')
                and coalesce(to_timestamp(end_time), update_timestamp at time zone 'utc') < :before
                and exists (select from runs newer where newer.pipeline_name = runs.pipeline_name
                    and newer.status = runs.status and newer.id > runs.id)
            order by id limit :batch_runs
            """),
            {"before": datetime.now(UTC) - keep, "batch_runs": BATCH_RUNS},
        )
        return list(found.scalars())


_DELETIONS = [
    sa.text(statement)
    for statement in (
        f"""
        delete from event_logs where run_id = any(:runs)
            and (dagster_event_type is null or dagster_event_type <> all(:states) or {_IS_PAST})
        """,
        """
        delete from asset_event_tags tag where not exists (select from event_logs where event_logs.id = tag.event_id)
        """,
        """
        delete from asset_check_executions check_ where run_id = any(:runs)
            and exists (select from asset_check_executions newer where newer.asset_key = check_.asset_key
                and newer.check_name = check_.check_name and newer.id > check_.id)
        """,
        "delete from runs where run_id = any(:runs)",  # and with it its tags
    )
]
"""Of these runs; the last one deletes the runs themselves."""

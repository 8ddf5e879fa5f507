"""Dagster's schedules; their cron expressions are settings, with defaults that do not start at the same time."""

from typing import Any

import dagster as dg

from killreport_assets.orchestration.automation import TRIGGER_TAG, is_under_way, schedule_status
from killreport_assets.orchestration.jobs import (
    PRODUCING_JOBS,
    back_up,
    check_lineage,
    check_raw_tables,
    export_lake,
    load_history,
    load_market_history,
    load_market_prices,
    load_sovereignty,
    load_static_data,
    load_wars,
    purge_event_log,
    queue_users,
    refresh_affiliations,
    scan_killmail_entities,
)
from killreport_assets.settings import Settings


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Build the schedules, enabled by default against the sandbox and disabled against real services."""
    crons, status = settings.schedules, schedule_status(settings)
    jobs: list[tuple[Any, str]] = [
        (scan_killmail_entities, crons.scan_schedule),
        (load_static_data, crons.static_data_schedule),
        (load_history, crons.history_schedule),
        (load_wars, crons.wars_schedule),
        (load_sovereignty, crons.sovereignty_schedule),
        (load_market_history, crons.market_history_schedule),
        (load_market_prices, crons.market_prices_schedule),
        (queue_users, crons.users_schedule),
        (refresh_affiliations, crons.affiliations_schedule),
        (check_raw_tables, crons.checks_schedule),
        (check_lineage, crons.lineage_schedule),
        (purge_event_log, crons.purge_schedule),
        *([(back_up, crons.backup_schedule)] if settings.operator.backup_dir else []),
        *([(export_lake, crons.lake_schedule)] if settings.data.lake_url else []),
        *((job, crons.of_producer(name)) for name, job in PRODUCING_JOBS.items()),
    ]
    return [_schedule(job, cron, status) for job, cron in jobs]


def _schedule(job: Any, cron: str, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_under_way(context.instance, job.name):
            return dg.SkipReason(f"a run of {job.name} waits or runs already")
        return dg.RunRequest(tags={TRIGGER_TAG: "schedule"})

    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_fn=tick,
        default_status=status,
        execution_timezone="UTC",
    )

"""Dagster's schedules: cron's times are settings, spread so that they do not start together."""

from typing import Any

import dagster as dg

from killreport_assets.orchestration.jobs import (
    PRODUCING_JOBS,
    check_lineage,
    check_raw_tables,
    load_market_history,
    load_market_prices,
    load_static_data,
    purge_event_log,
    queue_users,
    refresh_affiliations,
    scan_killmail_entities,
)
from killreport_assets.settings import Settings


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules, on from the start against the sandbox, off against real services."""
    status = default_status(settings, dg.DefaultScheduleStatus)
    jobs: list[tuple[Any, str]] = [
        (scan_killmail_entities, settings.schedules.scan_schedule),
        (load_static_data, settings.schedules.static_data_schedule),
        (load_market_history, settings.schedules.market_history_schedule),
        (load_market_prices, settings.schedules.market_prices_schedule),
        (queue_users, settings.schedules.users_schedule),
        (refresh_affiliations, settings.schedules.affiliations_schedule),
        (check_raw_tables, settings.schedules.checks_schedule),
        (check_lineage, settings.schedules.lineage_schedule),
        (purge_event_log, settings.schedules.purge_schedule),
        *((job, getattr(settings, f"{name}_schedule")) for name, job in PRODUCING_JOBS.items()),
    ]
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule",
            job=job,
            cron_schedule=cron,
            default_status=status,
            execution_timezone="UTC",
            tags={"killreport/trigger": "schedule"},
        )
        for job, cron in jobs
    ]


def default_status(settings: Settings, statuses):  # type: ignore[no-untyped-def]
    """RUNNING on the sandbox; STOPPED against real services, where an operator decides."""
    return statuses.RUNNING if settings.services.origin == "sandbox" else statuses.STOPPED

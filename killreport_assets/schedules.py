"""Dagster's schedules: cron's times are settings, spread so that they do not start together."""

import dagster as dg

from killreport_assets.jobs import check_raw_tables, load_static_data, scan_killmail_entities
from killreport_assets.settings import Settings


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """The schedules, on from the start against the sandbox, off against real services."""
    status = default_status(settings, dg.DefaultScheduleStatus)
    return [
        dg.ScheduleDefinition(
            name=f"{job.name}_schedule", job=job, cron_schedule=cron, default_status=status, execution_timezone="UTC"
        )
        for job, cron in (
            (scan_killmail_entities, settings.scan_schedule),
            (load_static_data, settings.static_data_schedule),
            (check_raw_tables, settings.checks_schedule),
        )
    ]


def default_status(settings: Settings, statuses):  # type: ignore[no-untyped-def]
    """RUNNING on the sandbox; STOPPED against real services, where an operator decides."""
    return statuses.RUNNING if settings.origin == "sandbox" else statuses.STOPPED

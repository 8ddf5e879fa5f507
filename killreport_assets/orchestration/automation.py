"""Shared by schedules and sensors: their default status, and the statuses of unfinished runs."""

import dagster as dg

from killreport_assets.settings import Settings

UNFINISHED = [status for status in dg.DagsterRunStatus if status.name not in {"SUCCESS", "FAILURE", "CANCELED"}]
"""The statuses of runs that are queued or running."""
TRIGGER_TAG = "killreport/trigger"


def schedule_status(settings: Settings) -> dg.DefaultScheduleStatus:
    """On against the sandbox; off against real services, where an operator decides."""
    is_on = settings.services.origin == "sandbox"
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def sensor_status(settings: Settings) -> dg.DefaultSensorStatus:
    """On against the sandbox; off against real services, where an operator decides."""
    is_on = settings.services.origin == "sandbox"
    return dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED

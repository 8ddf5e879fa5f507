"""Shared by jobs, schedules and sensors: the tags of runs, their unfinished statuses, and what is on by default."""

import dagster as dg

from killreport_assets.settings import Settings

UNFINISHED = [status for status in dg.DagsterRunStatus if status.name not in {"SUCCESS", "FAILURE", "CANCELED"}]
"""The statuses of runs that are queued or running."""
QUEUE_TAG = "killreport/queue"
"""The queue of a worker run; the instance limits runs by it."""
PRODUCER_TAG = "killreport/producer"
TRIGGER_TAG = "killreport/trigger"
"""What started a run."""


def schedule_status(settings: Settings) -> dg.DefaultScheduleStatus:
    """On against the sandbox; off against real services, where an operator decides."""
    is_on = settings.services.origin == "sandbox"
    return dg.DefaultScheduleStatus.RUNNING if is_on else dg.DefaultScheduleStatus.STOPPED


def sensor_status(settings: Settings) -> dg.DefaultSensorStatus:
    """On against the sandbox; off against real services, where an operator decides."""
    is_on = settings.services.origin == "sandbox"
    return dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED

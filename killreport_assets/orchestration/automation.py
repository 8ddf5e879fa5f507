"""Shared by jobs, schedules and sensors: the tags of runs, their unfinished statuses, and what is on by default."""

import dagster as dg

from killreport_assets.settings import Settings

UNFINISHED = [status for status in dg.DagsterRunStatus if status.name not in {"SUCCESS", "FAILURE", "CANCELED"}]
"""The statuses of runs that are queued or running."""
QUEUE_TAG = "killreport/queue"
"""The queue of a worker run; the instance limits runs by it."""
BACKLOG_TAG = "killreport/backlog"
"""Worker runs that no user waits for; the instance limits all of them together, so that others find a place."""
PRIORITY_TAG = "dagster/priority"
"""Runs with a higher number leave Dagster's run queue first; 0 without the tag."""
FOR_USERS, FOR_THE_FEED = "20", "10"
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


def is_under_way(instance: dg.DagsterInstance, job_name: str) -> bool:
    """Whether a run of the job waits or runs: a schedule adds no second one."""
    return bool(instance.get_runs_count(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED)))

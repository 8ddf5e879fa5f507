"""Dagster's health, from its own database and its UI: the daemon, runs, schedules and sensors. Reads only."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psutil
import requests
import sqlalchemy as sa
from sqlalchemy.engine import Connection

DEV_FILE = "dev.json"
"""In HOME while `killreport dev` runs: its process, port and children."""
UI_SECONDS = 5.0
RECENT = "interval '1 day'"
WORKSPACE_QUERY = """{ workspaceOrError { __typename ... on Workspace { locationEntries { name locationOrLoadError {
  __typename ... on PythonError { message } } } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class FailedJob:
    """A job whose latest run failed."""

    job: str
    run_id: str
    ended_at: datetime


@dataclass
class DagsterHealth:
    """What Dagster's database says."""

    last_success: Mapping[str, datetime] = field(default_factory=dict)
    """When each job last succeeded."""
    heartbeat_at: datetime | None = None
    """The oldest heartbeat of the daemon's parts; None: no daemon, or one that was stopped."""
    running: int = 0
    queued: int = 0
    queued_since: datetime | None = None
    """When the oldest run was queued that still waits."""
    starting: int = 0
    starting_since: datetime | None = None
    """When the oldest run was launched that gave no sign yet."""
    failed_jobs: list[FailedJob] = field(default_factory=list)
    is_on: dict[str, bool] = field(default_factory=dict)
    """Whether each schedule and sensor is on; those that Dagster has not stored yet are missing."""
    failing: dict[str, str] = field(default_factory=dict)
    """Schedules and sensors whose latest tick failed, with the error."""
    sensor_ticks: dict[str, datetime] = field(default_factory=dict)
    """When each sensor last ticked, within a day."""


def dagster_health(connection: Connection) -> DagsterHealth:
    """Read Dagster's database; nothing in it while it has no tables."""
    if connection.execute(sa.text("select to_regclass('runs')")).scalar() is None:
        return DagsterHealth()
    found = DagsterHealth(_last_successes(connection))
    found.heartbeat_at = connection.execute(
        sa.text("select min(timestamp) at time zone 'utc' from daemon_heartbeats")
    ).scalar()
    found.running, found.queued, found.queued_since, found.starting, found.starting_since = connection.execute(
        sa.text("""
        select count(*) filter (where status in ('STARTING', 'STARTED', 'CANCELING')),
               count(*) filter (where status in ('QUEUED', 'NOT_STARTED')),
               min(create_timestamp at time zone 'utc') filter (where status in ('QUEUED', 'NOT_STARTED')),
               count(*) filter (where status = 'STARTING'),
               min(update_timestamp at time zone 'utc') filter (where status = 'STARTING')
        from runs where status in ('STARTING', 'STARTED', 'CANCELING', 'QUEUED', 'NOT_STARTED')
        """)
    ).one()
    found.failed_jobs = [FailedJob(*row) for row in connection.execute(_FAILED_JOBS)]
    _read_automation(connection, found)
    return found


_FAILED_JOBS = sa.text("""
    select pipeline_name, run_id, to_timestamp(end_time) from (
        select distinct on (pipeline_name) pipeline_name, run_id, status, end_time from runs
        where status in ('SUCCESS', 'FAILURE') and end_time is not null order by pipeline_name, end_time desc
    ) latest where status = 'FAILURE' order by end_time desc
""")


def _last_successes(connection: Connection) -> Mapping[str, datetime]:
    rows = connection.execute(
        sa.text("""
        select pipeline_name, to_timestamp(max(end_time)) from runs
        where status = 'SUCCESS' and end_time is not null group by pipeline_name order by 1
        """)
    )
    return {row[0]: row[1] for row in rows}


def _read_automation(connection: Connection, found: DagsterHealth) -> None:
    for body, status in connection.execute(sa.text("select instigator_body, status from instigators")):
        name = _name_in(body, "origin", "instigator_name") or _name_in(body, "origin", "job_name")
        if name is not None:
            found.is_on[name] = status in {"RUNNING", "DECLARED_IN_CODE", "AUTOMATICALLY_RUNNING"}
    ticks = connection.execute(
        sa.text(f"""
        select distinct on (selector_id) tick_body, status, type, timestamp at time zone 'utc' from job_ticks
        where timestamp > (now() at time zone 'utc') - {RECENT} and status <> 'STARTED'
        order by selector_id, timestamp desc
        """)
    )
    for body, status, kind, at in ticks:
        name = _name_in(body, "instigator_name") or _name_in(body, "job_name")
        if name is None:
            continue
        if kind == "SENSOR":
            found.sensor_ticks[name] = at
        if status == "FAILURE":
            found.failing[name] = _error_in(body)


def _name_in(body: str, *path: str) -> str | None:
    value = _loaded(body)
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def _error_in(body: str) -> str:
    error = _loaded(body)
    error = error.get("error") if isinstance(error, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return str(message).strip().splitlines()[0] if message else "no reason is recorded"


def _loaded(body: str) -> object:
    try:
        loaded: object = json.loads(body)
    except ValueError:
        return None
    return loaded


def dev_problems(home: Path) -> list[str]:
    """Look at the processes and the UI of `killreport dev`, if it runs from this HOME; returns what is wrong."""
    try:
        dev = json.loads((home / DEV_FILE).read_text())
        port, processes = int(dev["port"]), {str(name): int(pid) for name, pid in dev["processes"].items()}
        is_running = psutil.pid_exists(int(dev["pid"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    if not is_running:
        return ["`killreport dev` was killed: start it again"]
    problems = [f"Dagster's {name} is down" for name, pid in processes.items() if not psutil.pid_exists(pid)]
    return problems + _ui_problems(port)


def _ui_problems(port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}/graphql"
    try:
        with requests.Session() as session:
            session.trust_env = False  # loopback never goes through a proxy
            answer = session.post(url, json={"query": WORKSPACE_QUERY}, timeout=UI_SECONDS)
        workspace = answer.json()["data"]["workspaceOrError"]
    except (requests.RequestException, ValueError, KeyError, TypeError) as error:
        status = f" ({answer.status_code})" if "answer" in locals() else f" ({type(error).__name__})"
        return [f"Dagster's UI on port {port} does not answer{status}"]
    if workspace["__typename"] != "Workspace":
        return [f"Dagster's UI: {str(workspace.get('message', 'no workspace')).splitlines()[0]}"]
    problems = []
    for entry in workspace["locationEntries"]:
        loaded = entry["locationOrLoadError"] or {}
        if loaded.get("__typename") == "PythonError":
            problems.append(f"code location {entry['name']}: {str(loaded['message']).strip().splitlines()[0]}")
    return problems

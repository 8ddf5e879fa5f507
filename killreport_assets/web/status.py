"""How the workers are, as the API says it: from heartbeats, queues and syncs, never from a list of processes."""

from dataclasses import dataclass
from datetime import datetime

from killreport_assets.monitoring.state import Health


@dataclass(frozen=True)
class NewestSync:
    """The newest sync of a user's list: when it began, and how many seconds it took."""

    started_at: datetime
    seconds: float | None


@dataclass(frozen=True)
class QueueStatus:
    """One queue; None where the broker does not know."""

    name: str
    message_count: int | None
    in_flight: int | None
    consumer_count: int | None
    dead_letters: int
    oldest_seconds: float | None


@dataclass(frozen=True)
class WorkerStatus:
    """The fields of the original's `workerStatus`, none of which may be null, and what else is known."""

    is_running: bool
    last_sync: str
    last_sync_at: datetime | None
    total_users: int
    last_sync_duration: int
    timestamp: datetime
    healthy: bool
    problems: list[str]
    queues: list[QueueStatus]


def worker_status(health: Health, newest: NewestSync | None) -> WorkerStatus:
    """Judge the workers by the platform's health.

    They run when the daemon, which starts them, had a heartbeat within a minute.
    """
    silence = None
    if health.dagster is not None and health.dagster.heartbeat_at is not None:
        silence = (health.checked_at - health.dagster.heartbeat_at).total_seconds()
    queues = [
        QueueStatus(
            name,
            depth.ready if depth else None,
            depth.in_flight if depth else None,
            depth.consumers if depth else None,
            health.dead_letters.get(name, 0) + (depth.dead if depth else 0),
            depth.oldest_seconds if depth else None,
        )
        for name, depth in health.queues.items()
    ]
    return WorkerStatus(
        is_running=silence is not None and silence < 60,
        last_sync=newest.started_at.isoformat().replace("+00:00", "Z") if newest else "",
        last_sync_at=newest.started_at if newest else None,
        total_users=sum(health.users.states.values()),
        last_sync_duration=round(1000 * (newest.seconds or 0)) if newest else 0,
        timestamp=health.checked_at,
        healthy=health.is_healthy,
        problems=health.problems,
        queues=queues,
    )

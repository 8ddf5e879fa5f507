"""The platform's health at one moment, shown three ways: `killreport status`, `/health`, and metrics.

health.py gathers it, problems.py judges it.
"""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from killreport_assets.base.plain import plain
from killreport_assets.http.pauses import Pace
from killreport_assets.monitoring import queries as health
from killreport_assets.monitoring.dagster_health import DagsterHealth
from killreport_assets.queues.broker import Depth
from killreport_assets.store.history import IncompleteDays
from killreport_assets.users.health import UserHealth


@dataclass
class Health:
    """Everything that is known at one moment; None: unknown."""

    checked_at: datetime
    home: str
    database: str
    broker: str
    origin: str | None = None
    schema_version: str | None = None
    problems: list[str] = field(default_factory=list)
    contents: health.Contents | None = None
    killmails_last_hour: int | None = None
    queues: dict[str, Depth | None] = field(default_factory=dict)
    dead_letters: dict[str, int] = field(default_factory=dict)
    delayed: dict[float, int] | None = None
    feeds: list[health.Feed] = field(default_factory=list)
    budget: list[Pace] = field(default_factory=list)
    requests_today: dict[str, tuple[int, int]] = field(default_factory=dict)
    syncs: list[health.Syncs] = field(default_factory=list)
    users: UserHealth = field(default_factory=UserHealth)
    coverage: list[health.Coverage] = field(default_factory=list)
    dagster: DagsterHealth | None = None
    dev_problems: list[str] = field(default_factory=list)
    """What is wrong with the processes of `killreport dev`."""
    built_at: datetime | None = None
    """When the frequent dbt models were last built."""
    unbuilt_since: datetime | None = None
    """When the oldest change was made that they lack."""
    incomplete: IncompleteDays | None = None
    """Days of history that lack killmails although they were loaded."""
    disk_free_bytes: int | None = None

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs attention."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the object for `--json` and `/health`: times in ISO 8601, unknown values null."""
        body: dict[str, Any] = plain(asdict(self))
        return {"healthy": self.is_healthy} | body

"""The platform's health, gathered once and shown three ways: `killreport status`, `/health`, and metrics."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.base.plain import plain
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import DatabaseUrls, make_engine, reachable_urls
from killreport_assets.database.migrate import current_version, head
from killreport_assets.database.reconnect import describe_connection_error
from killreport_assets.esi.routes import ERROR_LIMIT, KILLMAIL, STATUS
from killreport_assets.http.pauses import Pace, paces
from killreport_assets.monitoring import queries as health
from killreport_assets.queues.broker import Depth
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.store.schema import tables
from killreport_assets.users.health import UserHealth, check_users
from killreport_assets.users.killmail_lists import intervals

STANDSTILL = timedelta(days=1)
"""A feed or a queue that makes no progress for this long is a problem."""
LONG_PAUSE = timedelta(minutes=30)
"""Longer than any limit's window or ESI's daily downtime."""
BUCKETS = {f"esi:{bucket.group}": bucket for bucket in (ERROR_LIMIT, KILLMAIL, STATUS)}


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
    last_success: dict[str, datetime] = field(default_factory=dict)

    @property
    def is_healthy(self) -> bool:
        """Whether nothing needs attention."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return the object for `--json` and `/health`: times in ISO 8601, unknown values null."""
        body: dict[str, Any] = plain(asdict(self))
        return {"healthy": self.is_healthy} | body


def check_health(settings: Settings) -> Health:
    """Check everything; an unreachable server is a problem in the result, not an error. Starts nothing."""
    broker = "RabbitMQ" if settings.queues.amqp_url else "PGMQ, in the same database"
    found = Health(datetime.now(UTC), str(settings.home), "down (embedded)", broker)
    urls = reachable_urls(settings)
    if urls is None:
        found.problems.append("PostgreSQL is down (embedded); `killreport up` starts it")
        return found
    found.database = without_secrets(_database(settings, urls))
    engine = make_engine(urls.killreport)
    dagster = make_engine(urls.dagster.set(drivername="postgresql+psycopg"), pool_size=1)
    try:
        if _check_database(found, settings, engine):
            _check_broker(found, settings, engine)
            _check_dagster(found, dagster)
    finally:
        engine.dispose()
        dagster.dispose()
    return found


def _database(settings: Settings, urls: DatabaseUrls) -> str:
    if settings.database.database_url is not None:
        return str(urls.killreport)
    server = EmbeddedPostgres(settings.home)
    tcp = f", also on 127.0.0.1:{server.tcp_port}" if server.tcp_port else ""
    return f"up (embedded, process {server.pid}{tcp})"


def _check_database(found: Health, settings: Settings, engine: Engine) -> bool:
    try:
        with engine.connect() as connection:
            found.schema_version = current_version(connection)
            if found.schema_version is None:
                found.problems.append("there is no schema yet; `killreport migrate` or `killreport run` creates it")
                return False
            if found.schema_version != head():
                found.problems.append(
                    f"the schema is {found.schema_version}, this package needs {head()}: killreport migrate"
                )
                return False
            found.origin = connection.execute(sa.select(tables.origin.c.origin)).scalar()
            found.killmails_last_hour = health.killmails_stored(connection, 1)
            found.feeds = health.feeds(connection)
            windows = {name: bucket.window.total_seconds() for name, bucket in BUCKETS.items()}
            found.budget = paces(connection, windows)
            found.requests_today = dict(health.requests_today(connection))
            found.syncs = health.recent_syncs(connection)
            found.coverage = health.coverage(connection)
            found.users = check_users(connection, intervals(settings))
            found.dead_letters = dict(health.dead_letters(connection))
        found.contents = health.contents(engine)
    except sa.exc.DBAPIError as unreachable:
        if "does not exist" in str(unreachable.orig) and isinstance(unreachable, sa.exc.OperationalError):
            found.problems.append("there is no database yet; `killreport migrate` or `killreport run` creates it")
        else:
            found.problems.append(describe_connection_error(unreachable))
        return False
    if dead := sum(found.dead_letters.values()):
        found.problems.append(f"{dead} dead letters: killreport dead-letters list")
    for feed in found.feeds:
        if found.origin == "live" and found.checked_at - feed.moved_at > STANDSTILL:
            found.problems.append(f"feed {feed.feed} has not moved since {feed.moved_at:%F %T} UTC: is its sensor on?")
    if found.users.ending:
        found.problems.append(f"{len(found.users.ending)} users have to sign in again: killreport users list")
    if found.users.late:
        found.problems.append(f"{len(found.users.late)} killmail lists are late: {', '.join(found.users.late[:5])}")
    for pace in found.budget:
        if pace.paused_until is not None and pace.paused_until - found.checked_at > LONG_PAUSE:
            found.problems.append(f"{pace.service} is paused until {pace.paused_until:%F %T} UTC: {pace.pause_reason}")
    return True


def _check_broker(found: Health, settings: Settings, engine: Engine) -> None:
    found.queues = dict.fromkeys((queue.name for queue in WORK_QUEUES), None)
    try:
        broker = connect_broker(settings, engine, declares=False)
        try:
            found.queues = {queue.name: broker.depth(queue.name) for queue in WORK_QUEUES}
            found.delayed = dict(broker.delayed())
            _check_depths(found)
        finally:
            broker.close()
    except (BrokerUnavailable, UserError) as unavailable:
        found.problems.append(str(unavailable))


def _check_depths(found: Health) -> None:
    for name, depth in found.queues.items():
        if depth is None:
            continue
        if depth.dead:
            found.problems.append(f"{name}: the broker gave {depth.dead} messages up; the next worker tries them again")
        if depth.oldest_seconds is not None and depth.oldest_seconds > STANDSTILL.total_seconds():
            found.problems.append(f"{name} has had no worker for {depth.oldest_seconds / 3_600:.0f} hours")


def _check_dagster(found: Health, dagster: Engine) -> None:
    try:
        with dagster.connect() as connection:
            found.last_success = dict(health.last_successes(connection))
    except sa.exc.DBAPIError as unreachable:
        if "does not exist" not in str(unreachable.orig):
            found.problems.append(f"Dagster's database: {describe_connection_error(unreachable)}")

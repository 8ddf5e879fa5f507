"""Gathering the platform's health: the database, the broker, Dagster, the disk. problems.py judges it."""

import shutil
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import DatabaseUrls, make_engine, reachable_urls
from killreport_assets.database.migrate import current_version, head, unknown_version
from killreport_assets.database.reconnect import describe_connection_error
from killreport_assets.esi.routes import ERROR_LIMIT, KILLMAIL, STATUS
from killreport_assets.http.pauses import paces
from killreport_assets.monitoring import queries as health
from killreport_assets.monitoring.dagster_health import dagster_health, dev_problems
from killreport_assets.monitoring.problems import problems_of
from killreport_assets.monitoring.state import Health
from killreport_assets.provision.database import no_data, unfinished_restore
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.store.changed_days import oldest_unbuilt_change
from killreport_assets.store.history import incomplete_days
from killreport_assets.store.schema import tables
from killreport_assets.users.health import check_users
from killreport_assets.users.killmail_lists import intervals

BUCKETS = {f"esi:{bucket.group}": bucket for bucket in (ERROR_LIMIT, KILLMAIL, STATUS)}


def check_health(settings: Settings) -> Health:
    """Check everything; an unreachable server is a problem in the result, not an error. Starts nothing."""
    found = _gather(settings)
    found.problems += problems_of(found, settings)
    return found


def _gather(settings: Settings) -> Health:
    broker = "RabbitMQ" if settings.queues.amqp_url else "PGMQ, in the same database"
    found = Health(datetime.now(UTC), str(settings.home), "down (embedded)", broker)
    found.disk_free_bytes = _free_bytes(settings)
    found.dev_problems = dev_problems(settings.home)
    if (unfinished := unfinished_restore(settings)) is not None:
        found.problems.append(unfinished)
    urls = reachable_urls(settings)
    if urls is None:
        is_new = not EmbeddedPostgres(settings.home).exists()
        down = "PostgreSQL is down (embedded); `killreport up` starts it"
        found.problems.append(no_data(settings) if is_new else down)
        return found
    found.database = without_secrets(_database(settings, urls))
    engine = make_engine(urls.killreport)
    dagster = make_engine(urls.dagster, pool_size=1)
    try:
        if _check_database(found, settings, engine):
            _check_broker(found, settings, engine)
            _check_dagster(found, dagster)
    finally:
        engine.dispose()
        dagster.dispose()
    return found


def _free_bytes(settings: Settings) -> int | None:
    try:
        return shutil.disk_usage(settings.home).free
    except OSError:
        return None  # there is no HOME yet


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
                found.problems.append(no_data(settings))
                return False
            if found.schema_version != head():
                older = f"the schema is {found.schema_version}, this package needs {head()}: killreport migrate"
                found.problems.append(unknown_version(found.schema_version) or older)
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
            found.unbuilt_since = oldest_unbuilt_change(connection)
            found.built_at = health.built_at(connection)
            found.incomplete = incomplete_days(connection)
        found.contents = health.contents(engine)
    except sa.exc.DBAPIError as unreachable:
        if "does not exist" in str(unreachable.orig) and isinstance(unreachable, sa.exc.OperationalError):
            found.problems.append(no_data(settings))
        else:
            found.problems.append(describe_connection_error(unreachable))
        return False
    return True


def _check_broker(found: Health, settings: Settings, engine: Engine) -> None:
    found.queues = dict.fromkeys((queue.name for queue in WORK_QUEUES), None)
    try:
        broker = connect_broker(settings, engine, declares=False)
        try:
            found.queues = {queue.name: broker.depth(queue.name) for queue in WORK_QUEUES}
            found.delayed = dict(broker.delayed())
        finally:
            broker.close()
    except (BrokerUnavailable, UserError) as unavailable:
        found.problems.append(str(unavailable))


def _check_dagster(found: Health, dagster: Engine) -> None:
    try:
        with dagster.connect() as connection:
            found.dagster = dagster_health(connection)
    except sa.exc.DBAPIError as unreachable:
        if "does not exist" not in str(unreachable.orig):
            found.problems.append(f"Dagster's database: {describe_connection_error(unreachable)}")

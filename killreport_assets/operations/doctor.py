"""The doctor: findings about the installation itself, each with what to do. How the platform is doing is `status`."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.url import URL

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.base.network import is_port_free
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.engine import database_exists, make_engine, reachable_urls
from killreport_assets.database.migrate import current_version, head, unknown_version
from killreport_assets.monitoring.dagster_health import dagster_health
from killreport_assets.monitoring.liveness import problem_of
from killreport_assets.operations.backup import backups, read_manifest
from killreport_assets.provision.database import no_data
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings, origin_of
from killreport_assets.store.schema.users import tokens
from killreport_assets.users.vault import KEY_FILE, KeyMissing, Unreadable, Vault

State = Literal["ok", "note", "warning", "problem"]
GIB = 2**30
MAX_CLOCK_SECONDS = 2.0
LARGEST = 8


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, in a sentence, and what to do where something is."""

    check: str
    state: State
    says: str
    remedy: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything; starts nothing, and changes nothing but to declare queues that RabbitMQ lacks."""
    yield from _settings(settings)
    yield from _disk(settings)
    yield from _permissions(settings)
    yield from _ports(settings)
    yield from _backups(settings)
    urls = reachable_urls(settings)
    if urls is None:
        yield Finding("database", "problem", "the embedded PostgreSQL is down, or has never been up", "killreport up")
        return
    yield from _of_database("database", make_engine(urls.killreport), lambda engine: _platform(settings, engine))
    if not _exists(urls.dagster):
        yield Finding("Dagster", "note", "Dagster has not run here yet: it has no database")
        return
    dagster = make_engine(urls.dagster, pool_size=1)
    yield from _of_database("Dagster", dagster, lambda engine: _dagster(settings, engine))


def _exists(url: URL) -> bool:
    try:
        return database_exists(url)
    except UserError:
        return True  # the server's own finding says why it cannot be reached


def _settings(settings: Settings) -> Iterator[Finding]:
    for group in settings.groups.values():
        for name in type(group).model_fields:
            variable = f"KILLREPORT_{name.upper()}"
            origin = origin_of(variable)
            if origin != "default":
                yield Finding("setting", "ok", f"{variable} = {getattr(group, name)}, from {_place(origin)}")
    if settings.services.origin == "live" and settings.services.contact is None:
        yield Finding(
            "setting", "warning", "no real service is asked without a contact", "set KILLREPORT_CONTACT to your e-mail"
        )


def _place(origin: str) -> str:
    return "the environment" if origin == "environment" else f"the file {origin}"


def _disk(settings: Settings) -> Iterator[Finding]:
    try:
        usage = shutil.disk_usage(settings.home)
    except OSError:
        yield Finding("disk", "note", f"{settings.home} does not exist yet")
        return
    says = f"{usage.free / GIB:.1f} of {usage.total / GIB:.0f} GiB are free in {settings.home}"
    if usage.free < settings.health.min_free_gib * GIB:
        yield Finding("disk", "problem", says, "make room, or lower KILLREPORT_RUN_DAYS and KILLREPORT_EVENT_LOG_DAYS")
    else:
        yield Finding("disk", "ok", says)


def _permissions(settings: Settings) -> Iterator[Finding]:
    if not settings.home.exists():
        return
    if not os.access(settings.home, os.W_OK):
        yield Finding("permissions", "problem", f"{settings.home} cannot be written", "let this user own it")
    secret = [path for path in settings.home.iterdir() if path.name.endswith(("-key", "-password"))]
    opened = [path for path in secret if stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in opened:
        yield Finding("permissions", "problem", f"others can read {path}", f"chmod 600 {path}")
    if not opened:
        yield Finding(
            "permissions", "ok", f"{len(secret)} secret files in {settings.home}, readable by their owner only"
        )


def _ports(settings: Settings) -> Iterator[Finding]:
    for part, port in (
        ("ui", settings.process.webserver_port),
        ("web", settings.users.auth_port),
        ("metrics", settings.process.metrics_port),
    ):
        if is_port_free(port):
            yield Finding("ports", "note", f"{part}: nothing listens on port {port} of this machine")
        elif problem := problem_of(part, settings, port):
            yield Finding("ports", "warning", problem, "start it again, or choose another port")
        else:
            yield Finding("ports", "ok", f"{part} answers on port {port}")


def _backups(settings: Settings) -> Iterator[Finding]:
    # systemd's timer backs up without Dagster's schedule, to this place.
    directory = settings.operator.backup_dir or settings.home / "backups"
    if settings.operator.backup_dir is None and not directory.exists():
        yield Finding(
            "backup", "warning", "no backups are scheduled", "set KILLREPORT_BACKUP_DIR, or run `killreport backup DIR`"
        )
        return
    made = backups(directory)
    if not made:
        yield Finding("backup", "warning", f"there is no backup in {directory}", f"killreport backup {directory}")
        return
    hours = (datetime.now(UTC) - read_manifest(made[-1]).time) / timedelta(hours=1)
    says = f"the last of {len(made)} backups in {directory} is {hours:.0f} hours old"
    if hours > settings.operator.max_backup_hours:
        yield Finding("backup", "warning", says, f"killreport backup {directory}; is its schedule on?")
    else:
        yield Finding("backup", "ok", says)


def _of_database(check: str, engine: Engine, findings: Callable[[Engine], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from findings(engine)
    except sa.exc.SQLAlchemyError as failed:
        said = without_secrets(str(getattr(failed, "orig", failed)).strip().splitlines()[0])
        yield Finding(check, "problem", f"PostgreSQL: {said}", "killreport status")
    finally:
        engine.dispose()


def _platform(settings: Settings, engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        version = current_version(connection)
        if version is None:
            yield Finding("schema", "problem", no_data(settings), "killreport migrate")
            return
        if version != head():
            remedy = "install the newer version" if unknown_version(version) else "killreport upgrade"
            yield Finding("schema", "problem", f"the schema is {version}, this package needs {head()}", remedy)
            return
        yield Finding("schema", "ok", f"version {version}")
        yield _clock(connection)
        yield from _keys(settings, connection)
        yield from _sizes(connection)
    yield from _broker(settings, engine)


def _clock(connection: Connection) -> Finding:
    before = datetime.now(UTC)
    theirs = connection.execute(sa.text("select clock_timestamp()")).scalar_one()
    ours = before + (datetime.now(UTC) - before) / 2
    ahead = (theirs - ours).total_seconds()
    says = f"PostgreSQL's clock is {ahead:+.1f} s from this machine's"
    if abs(ahead) > MAX_CLOCK_SECONDS:
        return Finding("clock", "warning", says, "let both follow a time server")
    return Finding("clock", "ok", says)


def _keys(settings: Settings, connection: Connection) -> Iterator[Finding]:
    samples = connection.execute(
        sa.select(tokens.c.key_id, sa.func.min(tokens.c.access_token), sa.func.count()).group_by(tokens.c.key_id)
    ).all()
    if not samples:
        return
    if settings.users.token_key is None and not (settings.home / KEY_FILE).exists():
        missing = f"{KEY_FILE} is missing in {settings.home}, and KILLREPORT_TOKEN_KEY is not set"
        yield Finding("keys", "problem", missing, "put the key back")
        return
    try:
        vault = Vault(settings)
    except UserError as unusable:
        yield Finding("keys", "problem", str(unusable), "put the key back")
        return
    for key_id, ciphertext, count in samples:
        try:
            vault.decrypt(ciphertext, key_id)
        except (KeyMissing, Unreadable) as unreadable:
            yield Finding("keys", "problem", f"{count} sign-ins: {unreadable}", "put the key back")
        else:
            yield Finding("keys", "ok", f"key {key_id} opens the tokens of {count} sign-ins")


def _sizes(connection: Connection) -> Iterator[Finding]:
    total = connection.exec_driver_sql("select pg_database_size(current_database())").scalar_one()
    rows = connection.execute(
        sa.text("""
        select coalesce(pn.nspname || '.' || parent.relname, n.nspname || '.' || c.relname) as name,
               sum(pg_total_relation_size(c.oid))::bigint as bytes
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        left join pg_inherits i on i.inhrelid = c.oid left join pg_class parent on parent.oid = i.inhparent
        left join pg_namespace pn on pn.oid = parent.relnamespace
        where c.relkind in ('r', 'm') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
        group by 1 order by 2 desc limit :largest
        """),
        {"largest": LARGEST},
    )
    largest = ", ".join(f"{name} {size / 2**20:,.0f}" for name, size in rows)
    yield Finding("sizes", "ok", f"the database has {total / 2**20:,.0f} MiB; the largest tables: {largest}")


def _broker(settings: Settings, engine: Engine) -> Iterator[Finding]:
    try:
        broker = connect_broker(settings, engine)
        try:
            for queue in WORK_QUEUES:
                broker.depth(queue.name)
        finally:
            broker.close()
    except (BrokerUnavailable, UserError) as differs:
        remedy = "is it running? Queues that another program declared otherwise have to be deleted"
        yield Finding("broker", "problem", without_secrets(str(differs)), remedy)
    else:
        yield Finding("broker", "ok", f"{len(WORK_QUEUES)} queues are declared as this version declares them")


def _dagster(settings: Settings, engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        found = dagster_health(connection)
        if connection.execute(sa.text("select to_regclass('event_logs')")).scalar() is None:
            yield Finding("Dagster", "note", "Dagster has not run here yet")
            return
        events, a_day, size = connection.exec_driver_sql(
            "select (select greatest(reltuples, 0)::bigint from pg_class where oid = 'event_logs'::regclass), "
            "(select count(*) from event_logs where timestamp > now() at time zone 'utc' - interval '1 day'), "
            "pg_total_relation_size('event_logs')"
        ).one()
    per_event = size / events if events else 0.0
    says = f"the event log has {size / 2**20:,.0f} MiB, and grew by {a_day * per_event / 2**20:,.0f} MiB in a day"
    yield Finding("event log", "ok", f"{says} ({a_day:,} events)")
    if found.heartbeat_at is None:
        yield Finding("daemon", "note", "no daemon runs", "killreport daemon, or killreport dev")
    elif problem := problem_of("daemon", settings, None):
        yield Finding("daemon", "problem", problem, "start it again")
    else:
        yield Finding("daemon", "ok", "one daemon leads, and gives signs of life")
    off = sorted(name for name, is_on in found.is_on.items() if not is_on)
    if off and settings.services.origin == "live":
        yield Finding(
            "automation", "warning", f"off: {', '.join(off)}", "switch on in the UI, under Automation, what you want"
        )

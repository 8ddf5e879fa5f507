"""The role that queries of people run as: it owns nothing, may only read, and cannot see tokens.

`killreport sql` and `killreport query` log in as it. A superuser who only sets a role or a read-only transaction can be
tricked out of both by the statement itself.
"""

import secrets
from pathlib import Path

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.engine.url import URL

from killreport_assets.base.errors import ServerRefuses, UserError
from killreport_assets.database.engine import DatabaseUrls, make_engine
from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.settings import Settings

READER = "killreport_reader"
SECRET_TABLES = ("tokens", "sign_ins")
"""Tables of `ops` that it may not read."""
WRITTEN_BY_DBT = ("staging", "intermediate", "marts")
_UNREADABLE = sa.text("""
    select exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('raw', 'ops', 'pgmq') and c.relkind in ('r', 'p', 'v') and not c.relispartition
            and not (n.nspname = 'ops' and c.relname = any(:secret))
            and not has_table_privilege(:reader, c.oid, 'select')
    )
""")


def allow_reading(settings: Settings, engine: Engine) -> bool:
    """Create the role where it is missing, and let it read what is new; False when there was nothing to do.

    On a server of the operator's own whose role may not create roles nothing is done: see `reading_url`.
    """
    with engine.connect() as connection:
        if _may_read_everything(connection):
            return False
    try:
        with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
            if not _exists(connection):
                _create(connection, None if settings.database.database_url is None else _password(settings.home))
            _grant(connection)
    except sa.exc.ProgrammingError as refused:
        if isinstance(refused.orig, psycopg.errors.InsufficientPrivilege):
            return False
        raise
    return True


def reading_url(settings: Settings, urls: DatabaseUrls) -> URL:
    """Return the URL with which the role logs in.

    Raises:
        ServerRefuses: the role could not be created, or its password is in another home; the text says what to do.
    """
    if settings.database.reader_url is not None:
        return make_url(settings.database.reader_url.get_secret_value()).set(drivername="postgresql+psycopg")
    if settings.database.database_url is None:
        return urls.killreport.set(username=READER)
    file = _password_file(settings.home)
    if not file.exists() and _is_there(urls.killreport):
        raise ServerRefuses(
            f"the role {READER} exists, but its password is not known in {settings.home}: another KILLREPORT_HOME "
            f"created it. Copy {file.name} from there, or set KILLREPORT_READER_URL"
        )
    if not file.exists():
        raise ServerRefuses(
            f"queries need a role that only reads, and the role of KILLREPORT_DATABASE_URL may not create it: let an "
            f"administrator run `create role {READER} login password '…'` and grant it usage and select on the schemas "
            f"raw, ops (without tokens and sign_ins) and marts; then set KILLREPORT_READER_URL"
        )
    return urls.killreport.set(username=READER, password=file.read_text())


def _may_read_everything(connection: Connection) -> bool:
    if not _exists(connection):
        return False
    return not connection.execute(_UNREADABLE, {"secret": list(SECRET_TABLES), "reader": READER}).scalar_one()


def _is_there(url: URL) -> bool:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return _exists(connection)
    finally:
        engine.dispose()


def _exists(connection: Connection) -> bool:
    found = connection.execute(sa.text("select 1 from pg_roles where rolname = :reader"), {"reader": READER})
    return found.scalar() is not None


def _create(connection: Connection, password: str | None) -> None:
    login = f"password {_quoted(password)}" if password is not None else ""
    # Roles belong to the whole server: another database of it may just be creating the same one.
    connection.exec_driver_sql(
        f"do $$ begin create role {READER} login nosuperuser nocreatedb nocreaterole noreplication {login}; "
        "exception when duplicate_object or unique_violation then null; end $$"
    )
    connection.exec_driver_sql(f"alter role {READER} set default_transaction_read_only = on")


def _grant(connection: Connection) -> None:
    for schema in WRITTEN_BY_DBT:
        connection.exec_driver_sql(f"create schema if not exists {schema}")
    queues = connection.execute(sa.text("select nspname from pg_namespace where nspname = 'pgmq'")).scalars()
    for schema in ("raw", "ops", *queues, *WRITTEN_BY_DBT):
        connection.exec_driver_sql(f"grant usage on schema {schema} to {READER}")
        connection.exec_driver_sql(f"grant select on all tables in schema {schema} to {READER}")
    for schema in WRITTEN_BY_DBT:  # dbt replaces its tables
        connection.exec_driver_sql(f"alter default privileges in schema {schema} grant select on tables to {READER}")
    for table in SECRET_TABLES:
        connection.exec_driver_sql(f"revoke all on ops.{table} from {READER}")


def _quoted(text: str) -> str:
    if not text.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"{text!r} cannot be a password here")  # ours has letters, digits, - and _ only
    return f"'{text}'"


def _password_file(home: Path) -> Path:
    return home / "reader-password"


def _password(home: Path) -> str:
    file = _password_file(home)
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()

"""The roles that queries run as: they own nothing, may only read, and cannot see tokens.

`killreport sql` and `killreport query` log in as READER, the web application as WEB_READER. A superuser who only sets a
role or a read-only transaction can be tricked out of both by the statement itself.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.engine.url import URL

from killreport_assets.base.errors import ServerRefuses, UserError
from killreport_assets.database.engine import DatabaseUrls, make_engine
from killreport_assets.database.locks import Lock, advisory_lock, hold_until_commit
from killreport_assets.settings import Settings
from killreport_assets.settings.groups import DatabaseSettings

WRITTEN_BY_DBT = ("staging", "intermediate", "marts")


@dataclass(frozen=True)
class Reader:
    """A role: the schemas and tables that it may read, what is hidden of them, and the setting that names another."""

    name: str
    schemas: tuple[str, ...]
    tables: tuple[str, ...]
    hidden: tuple[str, ...]
    setting: str
    url: Callable[[DatabaseSettings], SecretStr | None]

    @property
    def password_file(self) -> str:
        """The file in HOME with its password, for a server of the operator's own."""
        return f"{self.name.removeprefix('killreport_')}-password"

    @property
    def reads(self) -> str:
        """What it may read, for people."""
        hidden = f" (without {', '.join(self.hidden)})" if self.hidden else ""
        tables = f" and the tables {', '.join(self.tables)}" if self.tables else ""
        return f"the schemas {', '.join(self.schemas)}{hidden}{tables}"


READER = Reader(
    "killreport_reader",
    ("raw", "ops", *WRITTEN_BY_DBT),
    (),
    ("ops.tokens", "ops.sign_ins", "ops.api_tokens"),
    "KILLREPORT_READER_URL",
    lambda database: database.reader_url,
)
WEB_READER = Reader(
    "killreport_web",
    ("raw", "marts"),
    ("ops.enrichments", "ops.transform_builds", "ops.entity_pending"),
    (),
    "KILLREPORT_WEB_READER_URL",
    lambda database: database.web_reader_url,
)
READERS = (READER, WEB_READER)
_UNREADABLE = sa.text("""
    select exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p', 'v') and not c.relispartition
            and (n.nspname = any(:schemas) or n.nspname || '.' || c.relname = any(:tables))
            and n.nspname <> all(:written_by_dbt)
            and n.nspname || '.' || c.relname <> all(:hidden)
            and not has_table_privilege(:reader, c.oid, 'select')
    )
""")


def allow_reading(settings: Settings, engine: Engine) -> bool:
    """Create the roles where they are missing, and let them read what is new; False when there was nothing to do.

    On a server of the operator's own whose role may not create roles nothing is done: see `reading_url`.
    """
    with engine.connect() as connection:
        missing = [reader for reader in READERS if not _may_read_everything(connection, reader)]
    if not missing:
        return False
    try:
        with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
            # PostgreSQL fails one of two that change a table in the catalogue at once: attaching a partition does, too.
            hold_until_commit(connection, Lock.PARTITIONS)
            for reader in missing:
                if not role_exists(connection, reader.name):
                    is_embedded = settings.database.database_url is None
                    _create(connection, reader, None if is_embedded else _password(settings.home, reader))
                _grant(connection, reader)
    except sa.exc.ProgrammingError as refused:
        if isinstance(refused.orig, psycopg.errors.InsufficientPrivilege):
            return False
        raise
    return True


def reading_url(settings: Settings, urls: DatabaseUrls, reader: Reader = READER) -> URL:
    """Return the URL with which a role logs in.

    Raises:
        ServerRefuses: the role could not be created, or its password is in another home; the text says what to do.
    """
    if (url := reader.url(settings.database)) is not None:
        return make_url(url.get_secret_value()).set(drivername="postgresql+psycopg")
    if settings.database.database_url is None:
        return urls.killreport.set(username=reader.name)
    file = settings.home / reader.password_file
    if not file.exists() and _is_there(urls.killreport, reader):
        raise ServerRefuses(
            f"the role {reader.name} exists, but its password is not known in {settings.home}: another "
            f"KILLREPORT_HOME created it. Copy {file.name} from there, or set {reader.setting}"
        )
    if not file.exists():
        raise ServerRefuses(
            "queries need a role that only reads, and the role of KILLREPORT_DATABASE_URL may not create it: let an "
            f"administrator run `create role {reader.name} login password '…'` and grant it usage and select on "
            f"{reader.reads}; then set {reader.setting}"
        )
    return urls.killreport.set(username=reader.name, password=file.read_text())


def _may_read_everything(connection: Connection, reader: Reader) -> bool:
    if not role_exists(connection, reader.name):
        return False
    asked = {
        "schemas": [*reader.schemas, *_queue_schemas(connection, reader)],
        "tables": list(reader.tables),
        "written_by_dbt": list(WRITTEN_BY_DBT),
        "hidden": list(reader.hidden),
        "reader": reader.name,
    }
    return not connection.execute(_UNREADABLE, asked).scalar_one()


def _queue_schemas(connection: Connection, reader: Reader) -> list[str]:
    """PGMQ's schema, for the role that may read how the queues are."""
    if "ops" not in reader.schemas:
        return []
    return list(connection.execute(sa.text("select nspname from pg_namespace where nspname = 'pgmq'")).scalars())


def _is_there(url: URL, reader: Reader) -> bool:
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            return role_exists(connection, reader.name)
    finally:
        engine.dispose()


def role_exists(connection: Connection, name: str) -> bool:
    """Whether the server has a role of this name."""
    found = connection.execute(sa.text("select 1 from pg_roles where rolname = :name"), {"name": name})
    return found.scalar() is not None


def _create(connection: Connection, reader: Reader, password: str | None) -> None:
    login = f"password {_quoted(password)}" if password is not None else ""
    # Roles belong to the whole server: another database of it may just be creating the same one.
    connection.exec_driver_sql(
        f"do $$ begin create role {reader.name} login nosuperuser nocreatedb nocreaterole noreplication {login}; "
        "exception when duplicate_object or unique_violation then null; end $$"
    )
    connection.exec_driver_sql(f"alter role {reader.name} set default_transaction_read_only = on")


def _grant(connection: Connection, reader: Reader) -> None:
    for schema in WRITTEN_BY_DBT:
        connection.exec_driver_sql(f"create schema if not exists {schema}")
    schemas = [*reader.schemas, *_queue_schemas(connection, reader)]
    for schema in schemas:
        connection.exec_driver_sql(f"grant usage on schema {schema} to {reader.name}")
        connection.exec_driver_sql(f"grant select on all tables in schema {schema} to {reader.name}")
        if schema in WRITTEN_BY_DBT:  # it replaces its tables
            grant = f"grant select on tables to {reader.name}"
            connection.exec_driver_sql(f"alter default privileges in schema {schema} {grant}")
    for table in reader.tables:
        connection.exec_driver_sql(f"grant usage on schema {table.split('.')[0]} to {reader.name}")
        connection.exec_driver_sql(f"grant select on {table} to {reader.name}")
    for table in reader.hidden:
        connection.exec_driver_sql(f"revoke all on {table} from {reader.name}")


def _quoted(text: str) -> str:
    if not text.replace("-", "").replace("_", "").isalnum():
        raise UserError(f"{text!r} cannot be a password here")  # ours has letters, digits, - and _ only
    return f"'{text}'"


def _password(home: Path, reader: Reader) -> str:
    file = home / reader.password_file
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(24))
    return file.read_text()

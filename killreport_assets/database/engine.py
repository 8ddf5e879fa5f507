"""The two databases: their URLs, their engines, and their creation.

Tables are in store/schema/, their versions in migrations/, the origin of a database in store/origin.py.
"""

import os
import platform
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from killreport_assets.base.errors import ServerRefuses, ServerUnreachable
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.text import storable_json_text
from killreport_assets.settings import Settings

DATABASE = "killreport"
DAGSTER_DATABASE = "dagster"
DRIVER = "postgresql+psycopg"
"""psycopg 3; Dagster itself needs psycopg2."""
CONNECT_SECONDS = 10
IN_TIME: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "utf8"}
"""Else a host that says nothing is waited for without end, and text of a server without an encoding comes as bytes."""


@dataclass(frozen=True)
class DatabaseUrls:
    """The URLs of the two databases: KillReport's (psycopg 3) and Dagster's (psycopg2)."""

    killreport: URL
    dagster: URL


def database_name(settings: Settings) -> str:
    """The name of KillReport's database; needs no server."""
    if settings.database.database_url is None:
        return DATABASE
    return make_url(settings.database.database_url.get_secret_value()).database or DATABASE


def database_urls(settings: Settings) -> DatabaseUrls:
    """The URLs of the two databases; starts the embedded server unless a database URL is set."""
    if settings.database.database_url is None:
        server = EmbeddedPostgres(settings.home)
        server.start()
        own = make_url(server.url(DATABASE, "psycopg"))
        dagster = make_url(server.url(DAGSTER_DATABASE, "psycopg2"))
    else:
        own = make_url(settings.database.database_url.get_secret_value()).set(drivername=DRIVER)
        dagster = own.set(drivername="postgresql+psycopg2", database=DAGSTER_DATABASE)
    if settings.database.dagster_database_url is not None:
        dagster = make_url(settings.database.dagster_database_url.get_secret_value()).set(
            drivername="postgresql+psycopg2"
        )
    return DatabaseUrls(own, dagster)


def reachable_urls(settings: Settings) -> DatabaseUrls | None:
    """The URLs as from `database_urls`, but without starting anything: None if the embedded server is down."""
    if settings.database.database_url is None and not EmbeddedPostgres(settings.home).is_running():
        return None
    return database_urls(settings)


def libpq_url(url: URL) -> str:
    """The URL with its password for libpq, psql and BI tools, which read quoted blanks differently from SQLAlchemy."""
    credentials = quote(url.username or "", safe="")
    if url.password is not None:
        credentials += ":" + quote(str(url.password), safe="")
    address = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    query = f"?{urlencode(dict(url.query), safe='/', quote_via=quote)}" if url.query else ""
    return f"postgresql://{credentials}@{address}/{url.database}{query}"


def libpq_arguments(url: URL) -> tuple[str, dict[str, str]]:
    """The argument and the variables by which PostgreSQL's programs find a database.

    The password is a variable: every user of a machine can read the arguments of its processes.
    """
    password = url.password or url.query.get("password")
    shown = url._replace(password=None).difference_update_query(["password"])
    return f"--dbname={libpq_url(shown)}", {"PGPASSWORD": str(password)} if password else {}


def make_engine(url: URL, pool_size: int = 4) -> Engine:
    """Create an engine of psycopg 3, whichever driver the URL names: sessions use UTC, and idle ones are checked."""
    # Detects a server that disappears silently within half a minute instead of hours.
    arguments = {
        "options": "-c timezone=UTC",
        "application_name": f"killreport, process {os.getpid()} on {platform.node()}",
        **IN_TIME,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    return sa.create_engine(
        url.set(drivername=DRIVER),
        pool_size=pool_size,
        max_overflow=4,
        pool_pre_ping=True,
        connect_args=arguments,
        json_serializer=storable_json_text,
    )


def database_exists(url: URL) -> bool:
    """Whether a database exists on its server.

    Raises:
        ServerUnreachable: the server cannot be reached.
    """
    probe = sa.create_engine(url.set(drivername=DRIVER), poolclass=sa.NullPool, connect_args=IN_TIME)
    try:
        with probe.connect():
            return True
    except sa.exc.OperationalError as unreachable:
        if re.search(r'database ".*" does not exist', str(unreachable.orig)):  # a role may not exist either
            return False
        where = without_secrets(str(url))
        raise ServerUnreachable(f"cannot reach PostgreSQL at {where}: {_first_line(unreachable)}") from None


def create_missing_databases(urls: DatabaseUrls) -> None:
    """Create the databases that do not exist yet; two processes may do so at once.

    Raises:
        ServerUnreachable: the server cannot be reached.
        ServerRefuses: the role may not create databases.
    """
    for url in (urls.killreport, urls.dagster):
        if database_exists(url):
            continue
        server = sa.create_engine(
            url.set(drivername=DRIVER, database="postgres"),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args=IN_TIME,
        )
        try:
            with server.connect() as connection:
                name = connection.dialect.identifier_preparer.quote_identifier(str(url.database))
                connection.execute(sa.text(f"create database {name} encoding 'UTF8' template template0"))
        except (sa.exc.ProgrammingError, sa.exc.IntegrityError, sa.exc.OperationalError) as refused:
            if "already exists" in str(refused) or "duplicate key" in str(refused):
                continue
            raise ServerRefuses(
                f"database {url.database!r} is missing and could not be created ({_first_line(refused)}); "
                f"create it, or allow the role to create databases"
            ) from None


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__

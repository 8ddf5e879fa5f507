"""Which databases there are, how to reach them, and what a database is stamped with.

Engines are made here and nowhere else; tables are in tables.py, their versions in migrations/.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from sqlalchemy.engine import URL, Engine, make_url

from killreport_assets.base.errors import ServerUnreachable, UserError
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.settings import Settings

DATABASE = "killreport"
DAGSTER_DATABASE = "dagster"
CONNECT_SECONDS = 10


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the two databases are: KillReport's own (psycopg 3) and Dagster's (psycopg2)."""

    killreport: URL
    dagster: URL


def database_name(settings: Settings) -> str:
    """What KillReport's own database is called; needs no server."""
    if settings.database.database_url is None:
        return DATABASE
    return make_url(settings.database.database_url.get_secret_value()).database or DATABASE


def database_urls(settings: Settings) -> DatabaseUrls:
    """The two databases' URLs; the embedded server is started when it is the one to use."""
    if settings.database.database_url is None:
        server = EmbeddedPostgres(settings.home)
        server.start()
        own = make_url(server.url(DATABASE, "psycopg"))
        beside = make_url(server.url(DAGSTER_DATABASE, "psycopg2"))
    else:
        own = make_url(settings.database.database_url.get_secret_value()).set(drivername="postgresql+psycopg")
        beside = own.set(drivername="postgresql+psycopg2", database=DAGSTER_DATABASE)
    if settings.database.dagster_database_url is not None:
        beside = make_url(settings.database.dagster_database_url.get_secret_value()).set(
            drivername="postgresql+psycopg2"
        )
    return DatabaseUrls(own, beside)


def reachable_urls(settings: Settings) -> DatabaseUrls | None:
    """The URLs as `database_urls` gives them, but nothing is started: None when the embedded server is down."""
    if settings.database.database_url is None and not EmbeddedPostgres(settings.home).is_running():
        return None
    return database_urls(settings)


def libpq_url(url: URL) -> str:
    """The URL as libpq, psql and BI tools read it, with its password; SQLAlchemy quotes blanks otherwise."""
    who = quote(url.username or "", safe="")
    if url.password is not None:
        who += ":" + quote(str(url.password), safe="")
    where = f"{url.host or ''}{f':{url.port}' if url.port else ''}"
    query = f"?{urlencode(dict(url.query), safe='/', quote_via=quote)}" if url.query else ""
    return f"postgresql://{who}@{where}/{url.database}{query}"


def make_engine(url: URL, pool_size: int = 4) -> Engine:
    """An engine whose sessions work in UTC and whose idle connections are checked before they are used."""
    # A server that vanishes without a word is noticed within half a minute, not within hours.
    arguments = {
        "options": "-c timezone=UTC",
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,
    }
    return sa.create_engine(url, pool_size=pool_size, max_overflow=4, pool_pre_ping=True, connect_args=arguments)


def create_missing_databases(urls: DatabaseUrls) -> None:
    """Create the two databases where they do not exist yet; safe when two processes do so at once.

    Raises:
        UserError: the server cannot be reached, or the role may not create what is missing.
    """
    for url in (urls.killreport, urls.dagster):
        probe = sa.create_engine(url.set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
        try:
            with probe.connect():
                continue
        except sa.exc.OperationalError as unreachable:
            if "does not exist" not in str(unreachable.orig):
                where = without_secrets(str(url))
                raise ServerUnreachable(f"cannot reach PostgreSQL at {where}: {_first_line(unreachable)}") from None
        server = sa.create_engine(
            url.set(drivername="postgresql+psycopg", database="postgres"),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
        )
        try:
            with server.connect() as connection:
                name = connection.dialect.identifier_preparer.quote_identifier(str(url.database))
                connection.execute(sa.text(f"create database {name} encoding 'UTF8' template template0"))
        except (sa.exc.ProgrammingError, sa.exc.IntegrityError, sa.exc.OperationalError) as refused:
            if "already exists" in str(refused) or "duplicate key" in str(refused):
                continue
            raise UserError(
                f"database {url.database!r} is missing and could not be created ({_first_line(refused)}); "
                f"create it, or let the role create databases"
            ) from None


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else type(error.orig).__name__

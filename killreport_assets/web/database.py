"""How the web application reads: as a role that may read the marts and what pages need, with a limit on time."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.provision.readers import WEB_READER, reading_url
from killreport_assets.settings import Settings

STATEMENT_SECONDS = 5
CONNECTIONS = 8


def has_mart(connection: Connection, name: str) -> bool:
    """Whether a build has made this mart; an older release may not have had it."""
    query = sa.text("select to_regclass(:name) is not null")
    return bool(connection.execute(query, {"name": f"marts.{name}"}).scalar_one())


def reading_engine(settings: Settings) -> Engine:
    """An engine for everything that pages and programs read.

    Raises:
        ServerRefuses: the role could not be created; the text says what to do.
    """
    engine = make_engine(reading_url(settings, database_urls(settings), WEB_READER), CONNECTIONS)

    @sa.event.listens_for(engine, "connect")
    def _limit(connection, _record) -> None:  # type: ignore[no-untyped-def]  # of psycopg's driver
        with connection.cursor() as cursor:
            cursor.execute(f"set statement_timeout = '{STATEMENT_SECONDS}s'")
        connection.commit()

    return engine

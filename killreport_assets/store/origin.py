"""The origin of a database: sandbox or live data, which are never mixed."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.settings import Origin
from killreport_assets.store.schema import tables


def origin_of(engine: Engine) -> Origin | None:
    """The database's origin; None if it has none yet."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.origin.c.origin)).scalar()


def stamp_origin(engine: Engine, origin: Origin) -> None:
    """Set the origin of a new database, and refuse one of the other origin: invented names never meet real ids.

    Raises:
        UserError: the database has the other origin; the message contains a command that works.
    """
    with engine.begin() as connection:
        connection.execute(
            sa.text("insert into ops.origin (only_row, origin) values (true, :origin) on conflict do nothing"),
            {"origin": origin},
        )
    stamped = origin_of(engine)
    if stamped != origin:
        other_home = ".killreport-live" if origin == "live" else ".killreport-sandbox"
        command = "killreport run --source live" if origin == "live" else "killreport run"
        raise UserError(
            f"this database holds {stamped} data and the service URLs are {origin}: they are never mixed. "
            f"Use another home: KILLREPORT_HOME={other_home} {command}"
        )

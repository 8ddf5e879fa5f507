"""What a database is stamped with: sandbox or live data, which are never mixed."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.settings import Origin
from killreport_assets.store.schema import tables


def origin_of(engine: Engine) -> Origin | None:
    """What the database is stamped with; None when nothing has been stored yet."""
    with engine.connect() as connection:
        return connection.execute(sa.select(tables.origin.c.origin)).scalar()


def stamp_origin(engine: Engine, origin: Origin) -> None:
    """Stamp a new database; refuse one of the other origin, so that invented names never meet real ids.

    Raises:
        UserError: the database holds the other kind of data; says which command helps.
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

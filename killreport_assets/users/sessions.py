"""Sessions of the sign-in page that have ended: `ops.ended_sessions`.

A session itself is a signed cookie, of which there may be copies; pages/app.py makes it.
"""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema.users import ended_sessions

LASTS = timedelta(days=14)
"""How long a browser may keep a session after its last page; every page begins that time again."""
KEPT = LASTS + timedelta(days=1)
"""No cookie of an ended session is valid after that, even if the clocks of two machines differ."""


def end_session(connection: Connection, session_id: str) -> None:
    """Refuse a session from now on, and delete what is kept about those whose cookies have expired."""
    connection.execute(sa.delete(ended_sessions).where(ended_sessions.c.ended_at < sa.func.now() - KEPT))
    connection.execute(insert(ended_sessions).values(session_id=session_id).on_conflict_do_nothing())


def has_ended(connection: Connection, session_id: str) -> bool:
    """Whether the owner of a session has signed out."""
    return bool(
        connection.execute(sa.select(sa.exists().where(ended_sessions.c.session_id == session_id))).scalar_one()
    )

"""Sessions that have ended: one by one in `ops.ended_sessions`, all of an account by `ops.sign_outs`.

A session itself is a signed cookie, of which there may be copies; web/sign_in.py makes it.
"""

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema.users import ended_sessions, sign_outs

LASTS = timedelta(days=14)
"""How long a browser may keep a session after its last page; every page begins that time again."""
KEPT = LASTS + timedelta(days=1)
"""No cookie of an ended session is valid after that, even if the clocks of two machines differ."""


def end_session(connection: Connection, session_id: str) -> None:
    """Refuse a session from now on, and delete what is kept about those whose cookies have expired."""
    connection.execute(sa.delete(ended_sessions).where(ended_sessions.c.ended_at < sa.func.now() - KEPT))
    connection.execute(insert(ended_sessions).values(session_id=session_id).on_conflict_do_nothing())


def end_all_sessions(connection: Connection, account_id: int) -> None:
    """Refuse every session of an account that has begun until now, on every device."""
    statement = insert(sign_outs).values(account_id=account_id, signed_out_at=sa.func.clock_timestamp())
    changed = {"signed_out_at": statement.excluded.signed_out_at}
    connection.execute(statement.on_conflict_do_update(index_elements=[sign_outs.c.account_id], set_=changed))


def begin_session(connection: Connection, session: MutableMapping[str, Any], account_id: int, session_id: str) -> None:
    """Make a browser's session that of an account; it begins now, by the database's clock."""
    now = connection.execute(sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))).scalar_one()
    session.update(account=account_id, id=session_id, begun_at=float(now))


def is_session_valid(connection: Connection, session: MutableMapping[str, Any]) -> bool:
    """Whether a browser's session is one of an account, and has not ended."""
    account_id, session_id = session.get("account"), session.get("id")
    if account_id is None or session_id is None or has_ended(connection, session_id):
        return False
    ended = sa.select(sa.func.extract("epoch", sign_outs.c.signed_out_at)).where(sign_outs.c.account_id == account_id)
    signed_out_at = connection.execute(ended).scalar()
    return signed_out_at is None or float(session.get("begun_at", 0)) > float(signed_out_at)


def has_ended(connection: Connection, session_id: str) -> bool:
    """Whether the owner of a session has signed out."""
    return bool(
        connection.execute(sa.select(sa.exists().where(ended_sessions.c.session_id == session_id))).scalar_one()
    )

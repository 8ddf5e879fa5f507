"""Erasing what is known about a person's character: everything but the killmails, which are EVE's public record.

A row of `ops.erasures` keeps it erased: triggers on the tables that names and affiliations are written to read it
(migration 0013), so that no source brings it back.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.store.schema import tables
from killreport_assets.users.tokens import TokenKeeper


@dataclass(frozen=True)
class Erasure:
    """A character that was erased, when, and why."""

    character_id: int
    erased_at: datetime
    reason: str


def erase_character(engine: Engine, keeper: TokenKeeper, character_id: int, reason: str) -> str | None:
    """Erase a character for good; returns why EVE did not end its grant, None when it did or there was none.

    Its tokens, readings of its list, affiliations and name go; the killmails keep its id.

    What an interruption left undone is done by erasing it again; the first reason stays.
    """
    with writing(engine) as connection:
        row = {"character_id": character_id, "reason": reason}
        connection.execute(insert(tables.erasures).values(row).on_conflict_do_nothing())
    problem = keeper.forget(character_id)  # a request to EVE: not within a transaction of ours
    with writing(engine) as connection:
        _delete(connection, character_id)
    return problem


def _delete(connection: Connection, character_id: int) -> None:
    """Delete what is stored; the triggers replace what rows must stay for others' sake."""
    this = {"id": character_id, "subject": f"character:{character_id}"}
    for statement in (
        "delete from ops.followed where entity_kind = 'character' and entity_id = :id",
        """
        delete from ops.entity_pending
        where entity_kind in ('zkillboard_character', 'user_killmails') and entity_id = :id
        """,
        "delete from ops.syncs where subject = :subject or subject = cast(:id as text)",
        "delete from raw.character_affiliations where character_id = :id",
        "delete from raw.entity_names where entity_kind = 'character' and entity_id = :id",
        "update raw.characters set name = name where character_id = :id",
    ):
        connection.execute(sa.text(statement), this)
    row = {"character_id": character_id, "source": "erased"}
    connection.execute(insert(tables.characters).values(row).on_conflict_do_nothing())


def list_erasures(connection: Connection) -> list[Erasure]:
    """Return every erased character, the latest first."""
    rows = connection.execute(
        sa.select(*tables.erasures.c).order_by(tables.erasures.c.erased_at.desc(), tables.erasures.c.character_id)
    )
    return [Erasure(*row) for row in rows]

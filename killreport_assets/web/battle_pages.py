"""The pages of battles. What they read is in battles.py; how they look is in templates/."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from killreport_assets.web import battles
from killreport_assets.web.killmails import Place, killmails_by_id
from killreport_assets.web.rendering import Problem, Rendering


class BattlePages:
    """The handlers; one object serves all threads."""

    def __init__(self, engine: Engine, rendering: Rendering) -> None:
        self._engine, self._rendering = engine, rendering

    async def all(self, request: Request) -> Response:
        """Show battles, newest first."""
        facts = await run_in_threadpool(self._read, self._all, request)
        return self._rendering.page(request, "battles.html", **facts)

    async def one(self, request: Request) -> Response:
        """Show a battle; an id that one had, and the id of any of its killmails, lead to its address."""
        facts = await run_in_threadpool(self._read, self._one, request)
        if "moved_to" in facts:
            return RedirectResponse(f"/battle/{facts['moved_to']}", 302)
        return self._rendering.page(request, "battle.html", **facts)

    def _read(self, read: Callable[[Request, Connection], dict[str, Any]], request: Request) -> dict[str, Any]:
        with self._engine.connect() as connection:
            return read(request, connection)

    def _all(self, request: Request, connection: Connection) -> dict[str, Any]:
        before = _place(request)
        is_built = battles.are_built(connection)
        found = battles.newest(connection, before=before, limit=battles.LISTED + 1) if is_built else []
        rows = found[: battles.LISTED]
        next_page = None
        if len(found) > len(rows):
            place = Place(rows[-1]["ended_at"], rows[-1]["battle_id"])
            next_page = f"/battles?after={place.cursor}"
        return {"rows": rows, "next_page": next_page, "is_built": is_built, "is_later_page": before is not None}

    def _one(self, request: Request, connection: Connection) -> dict[str, Any]:
        battle_id = request.path_params["battle_id"]
        row = battles.battle(connection, battle_id) if battles.are_built(connection) else None
        if row is None:
            moved_to = battles.battle_of(connection, battle_id) if battles.are_built(connection) else None
            if moved_to is None or moved_to == battle_id:
                raise Problem("No such battle", f"Killmail {battle_id} belongs to no battle that is known here.", 404)
            return {"moved_to": moved_to}
        return {
            "row": row,
            "sides": battles.sides(connection, battle_id),
            "timeline": battles.timeline(connection, battle_id),
            "members": battles.members(connection, battle_id),
            "items": battles.items(connection, battle_id),
            "killmails_of_it": killmails_by_id(connection, battles.killmail_ids(connection, battle_id)),
        }


def _place(request: Request) -> tuple[datetime, int] | None:
    """The place after which a page begins: of battles, their end to the second, and their id.

    Raises:
        Problem: it is none of ours.
    """
    text = request.query_params.get("after")
    if text is None:
        return None
    try:
        place = Place.of_cursor(text)
    except ValueError:
        raise Problem("No such page", "The address of the page is damaged: begin at the first page.", 400) from None
    return place.killmail_time.astimezone(UTC), place.killmail_id

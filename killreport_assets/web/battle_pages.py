"""The pages of battles. What they read is in battles.py; how they look is in templates/."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from killreport_assets.web import battles
from killreport_assets.web.killmails import Place
from killreport_assets.web.pages import asked_place
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
        before = asked_place(request)
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
        row = battles.known_battle(connection, battle_id)
        if row is None:
            raise Problem("No such battle", f"Killmail {battle_id} belongs to no battle that is known here.", 404)
        if row["battle_id"] != battle_id:
            return {"moved_to": row["battle_id"]}
        return battles.everything(connection, row)

"""A feed in R2Z2's form, so that another KillReport, or any client of R2Z2, can follow this one.

The shape is zKillboard's (cron/1.r2z2.php): entries by number, and the newest number in sequence.json.
"""

from typing import Any

from sqlalchemy.engine import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from killreport_assets.database.migrate import writing
from killreport_assets.store.announcements import entry, newest_entry, number_entries
from killreport_assets.web.bodies import bodies_of
from killreport_assets.web.callers import Callers, Refusal
from killreport_assets.web.rest.answers import blocks_of

HEADERS = {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"}


class Ephemeral:
    """Answers /ephemeral/sequence.json and /ephemeral/{number}.json; `engine` may write: entries are numbered here."""

    def __init__(self, engine: Engine, reading: Engine, callers: Callers) -> None:
        self._engine, self._reading, self._callers = engine, reading, callers

    async def sequence(self, request: Request) -> Response:
        """Answer with the newest entry's number; 0 before there is any."""
        return await run_in_threadpool(self._sequence, request)

    async def entry(self, request: Request) -> Response:
        """Answer with one entry; 404 when there is none, yet or any more."""
        return await run_in_threadpool(self._entry, request, request.path_params["sequence"])

    def _sequence(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return refusal
        with writing(self._engine) as connection:
            number_entries(connection)
            return JSONResponse({"sequence": newest_entry(connection)}, headers=HEADERS)

    def _entry(self, request: Request, sequence: int) -> Response:
        if refusal := self._refusal(request):
            return refusal
        with self._engine.connect() as connection:
            found = entry(connection, sequence)
        if found is None:  # it may not be numbered yet
            with writing(self._engine) as connection:
                number_entries(connection)
                found = entry(connection, sequence)
        if found is None:
            return JSONResponse({"error": "there is no such entry, yet or any more"}, 404, headers=HEADERS)
        killmail_id = found["killmail_id"]
        with self._reading.connect() as connection:
            body = bodies_of(connection, [killmail_id]).get(killmail_id)
            block = blocks_of(connection, [killmail_id]).get(killmail_id)
            hash_ = connection.exec_driver_sql(
                "select killmail_hash from raw.killmails where killmail_id = %(id)s", {"id": killmail_id}
            ).scalar()
        envelope: dict[str, Any] = {
            "killmail_id": killmail_id,
            "hash": hash_,
            "esi": body,
            "zkb": block or {"hash": hash_},
            "uploaded_at": int(found["announced_at"].timestamp()),
            "sequence_id": sequence,
        }
        return JSONResponse(envelope, headers=HEADERS)

    def _refusal(self, request: Request) -> Response | None:
        try:
            self._callers.admit(request, is_counted=False)
        except Refusal as refusal:
            return JSONResponse({"error": str(refusal)}, refusal.status, HEADERS | refusal.headers)
        return None

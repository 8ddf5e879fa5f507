"""The addresses of the REST API; FastAPI describes them as OpenAPI. Answers change with builds: they have an ETag."""

import hashlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Path, Query
from fastapi import Request as ApiRequest
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from killreport_assets import __version__
from killreport_assets.web.callers import Callers, Refusal
from killreport_assets.web.entities import KINDS
from killreport_assets.web.killmails import Filters
from killreport_assets.web.rest import answers
from killreport_assets.web.rest.paths import ENTITIES, PAGE, BadPath, Listing, read_path
from killreport_assets.web.statistics import build_version, is_built

log = logging.getLogger(__name__)
FRESH_SECONDS = 15
HOURS_BEFORE, HOURS_AFTER = 1, 2
"""The span of what is related, as on zKillboard: from an hour before to two after."""
Id = Annotated[int, Path(ge=1, le=2**63 - 1)]
DESCRIPTION = """\
Killmails and statistics as zKillboard's API has them, for programs that were written for it, and what its users have
missed: `limit`, `startTime`, `endTime`, `beforeKillID`, `afterKillID`, pages without end, and whole bodies always.
Without a token 60 requests a minute are answered; with one (`Authorization: Bearer kr_…`, made on the page /me) 600.
Errors are objects with a member `error`.
"""


def build_rest(engine: Engine, callers: Callers, *, anonymous: int, known: int) -> FastAPI:
    """Build the sub-application that is mounted at /api; the numbers are requests a minute, for its description."""
    api = FastAPI(
        title="KillReport",
        version=__version__,
        description=DESCRIPTION.replace("60 requests", f"{anonymous} requests").replace(" 600.", f" {known}."),
        docs_url=None,
        redoc_url=None,
    )
    answer = _Answering(engine, callers)

    @api.get("/stats/{parameter}/{entity_id}/", summary="An entity's statistics")
    async def stats(request: ApiRequest, parameter: str, entity_id: Id) -> Response:
        kind = KINDS.get(ENTITIES.get(parameter, ""))

        def read(connection: Connection) -> Any:
            if kind is None:
                raise BadPath(f"statistics are of {', '.join(ENTITIES)}")
            found = answers.stats_of(connection, kind, parameter, entity_id)
            if found is None:
                raise BadPath(f"no killmail has {parameter} {entity_id}")
            return found

        return await answer(request, read)

    @api.get("/history/{day}.json", summary="The killmails of a UTC day: id to hash")
    async def history(request: ApiRequest, day: Annotated[str, Path(pattern=r"^\d{8}$")]) -> Response:
        def read(connection: Connection) -> Any:
            try:
                chosen = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date()
            except ValueError:
                raise BadPath("a day is written as 20260821") from None
            return answers.history_of(connection, chosen)

        return await answer(request, read, is_live=True)

    @api.get("/prices/{type_id}/", summary="A type's prices by day, in The Forge")
    async def prices(request: ApiRequest, type_id: Id) -> Response:
        return await answer(request, lambda connection: answers.prices_of(connection, type_id), is_live=True)

    @api.get("/autocomplete/{words}/", summary="Entities whose name begins so")
    async def autocomplete(request: ApiRequest, words: Annotated[str, Path(max_length=100)]) -> Response:
        return await answer(request, lambda connection: answers.completions_of(connection, words), is_live=True)

    @api.get("/related/{system_id}/{moment}/", summary="Killmails of a system around a time, 202608211700")
    async def related(
        request: ApiRequest, system_id: Id, moment: Annotated[str, Path(pattern=r"^\d{12}$")]
    ) -> Response:
        def read(connection: Connection) -> Any:
            listing = read_path(f"systemID/{system_id}/startTime/{moment}")
            around = listing.filters.since
            assert around is not None
            try:
                since, until = around - timedelta(hours=HOURS_BEFORE), around + timedelta(hours=HOURS_AFTER)
            except OverflowError:
                raise BadPath("the time is at the end of the calendar") from None
            filters = Filters(entities=listing.filters.entities, since=since, until=until)
            kills = answers.killmails_of(connection, Listing(filters))
            return {"systemID": system_id, "since": since.isoformat(), "until": until.isoformat(), "kills": kills}

        return await answer(request, read)

    @api.get("/{filters:path}", summary="Killmails by filters in the address, newest first")
    async def killmails(
        request: ApiRequest,
        filters: Annotated[str, Path(max_length=2_000, description="as losses/characterID/90000001/page/2/")],
        limit: Annotated[int | None, Query(ge=1, le=PAGE)] = None,
    ) -> Response:
        further = {**request.query_params, **({"limit": str(limit)} if limit else {})}
        return await answer(request, lambda connection: answers.killmails_of(connection, read_path(filters, further)))

    return api


class _Answering:
    """Admits a caller, reads, and answers with an ETag that changes with builds."""

    def __init__(self, engine: Engine, callers: Callers) -> None:
        self._engine, self._callers = engine, callers

    async def __call__(self, request: Request, read: Callable[[Connection], Any], *, is_live: bool = False) -> Response:
        """Answer; `is_live` answers change without a build."""
        return await run_in_threadpool(self._answer, request, read, is_live)

    def _answer(self, request: Request, read: Callable[[Connection], Any], is_live: bool) -> Response:
        headers = {"Access-Control-Allow-Origin": "*", "Vary": "Authorization, Cookie"}
        try:
            self._callers.admit(request)
            with self._engine.connect() as connection:
                _check_built(connection)
                if not is_live:
                    asked = f"{build_version(connection)}|{request.url.path}?{request.url.query}"
                    headers["ETag"] = f'W/"{hashlib.sha256(asked.encode()).hexdigest()[:32]}"'
                    headers["Cache-Control"] = f"public, max-age={FRESH_SECONDS}"
                    if request.headers.get("if-none-match") == headers["ETag"]:
                        return Response(status_code=304, headers=headers)
                body = orjson.dumps(read(connection))
        except BadPath as bad:
            return JSONResponse({"error": str(bad)}, 200, headers)
        except Refusal as refusal:
            return JSONResponse({"error": str(refusal)}, refusal.status, headers | refusal.headers)
        except exc.SQLAlchemyError as failed:
            if "statement timeout" in str(failed):
                return JSONResponse({"error": "this takes too long: add a filter, or a shorter time"}, 503, headers)
            log.exception("%s failed", request.url.path)
            return JSONResponse({"error": "this request failed: try again in a minute"}, 503, headers)
        return Response(body, media_type="application/json", headers=headers)


def _check_built(connection: Connection) -> None:
    if not is_built(connection):
        raise Refusal(503, "NOT_BUILT", "nothing is built yet: killreport dbt build", {"Retry-After": "60"})

"""The sandbox's own routes, under /sandbox: statistics, faults, releasing killmails, changing what services say."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.services.esi import SandboxEsi
from killreport_assets.sandbox.services.esi_authorized_killmails import AuthorizedKillmails
from killreport_assets.sandbox.services.sso import SandboxSso, SsoSwitches, base_url
from killreport_assets.sandbox.serving import Serving


@dataclass(frozen=True)
class SandboxControl:
    """What tests and people switch."""

    serving: Serving
    feed: LiveFeed
    esi: SandboxEsi
    sso: SandboxSso
    authorized_killmails: AuthorizedKillmails

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            Route("/sandbox/statistics", self._show_statistics),
            Route("/sandbox/faults", self._set_faults, methods=["PUT"]),
            Route("/sandbox/reset", self._reset, methods=["POST"]),
            Route("/sandbox/release", self._release, methods=["POST"]),
            Route("/sandbox/move", self._move, methods=["POST"]),
            Route("/sandbox/sso", self._switch_sso, methods=["PUT"]),
            Route("/sandbox/sso/issued", self._issued),
            Route("/sandbox/sso/grant", self._grant, methods=["POST"]),
            Route("/sandbox/sso/end", self._end_grants, methods=["POST"]),
            Route("/sandbox/sso/sell", self._sell, methods=["POST"]),
            Route("/sandbox/own-killmails", self._switch_killmails, methods=["PUT"]),
        ]

    async def _show_statistics(self, _request: Request) -> Response:
        return JSONResponse(self.serving.statistics.as_json())

    async def _set_faults(self, request: Request) -> Response:
        faults = self.serving.faults
        try:
            faults.set(await request.json())
        except ValueError as wrong:
            return JSONResponse({"error": str(wrong)}, 400)
        return JSONResponse({"latency": faults.latency, "rules": len(faults.rules)})

    async def _reset(self, _request: Request) -> Response:
        self.serving.faults.set({})
        self.serving.statistics.reset()
        self.esi.reset()
        self.sso.reset()
        return JSONResponse({})

    async def _release(self, request: Request) -> Response:
        return JSONResponse({"head": self.feed.release(int(request.query_params.get("count", "1")))})

    async def _move(self, request: Request) -> Response:
        body = await request.json()
        self.esi.move(body["character_id"], body["corporation_id"], body.get("alliance_id"))
        return JSONResponse({})

    async def _switch_sso(self, request: Request) -> Response:
        self.sso.switches = SsoSwitches.model_validate(await request.json())
        return JSONResponse({})

    async def _grant(self, request: Request) -> Response:
        body = await request.json()
        granted = self.sso.grant(base_url(request), body["client_id"], body["character_id"], tuple(body["scopes"]))
        return JSONResponse(granted)

    async def _issued(self, _request: Request) -> Response:
        return JSONResponse(self.sso.issued)

    async def _end_grants(self, request: Request) -> Response:
        self.sso.end((await request.json())["character_id"])
        return JSONResponse({})

    async def _sell(self, request: Request) -> Response:
        self.sso.sell((await request.json())["character_id"])
        return JSONResponse({})

    async def _switch_killmails(self, request: Request) -> Response:
        body, lists = await request.json(), self.authorized_killmails
        lists.page_size = body.get("page_size", lists.page_size)
        lists.cache_seconds = body.get("cache_seconds", lists.cache_seconds)
        lists.refused |= {int(id_): said for id_, said in body.get("refused", {}).items()}
        return JSONResponse({})

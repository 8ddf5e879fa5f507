"""`/metrics` for Prometheus and `/health` for load balancers and people: the platform's health over HTTP."""

import threading

from cachetools import TTLCache
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from killreport_assets.monitoring.health import check_health
from killreport_assets.monitoring.metrics import HealthCollector
from killreport_assets.monitoring.state import Health
from killreport_assets.settings import Settings, is_loopback_host

LOOK_AGAIN_SECONDS = 5.0


class Looking:
    """Looks at the platform's health; those who ask within a few seconds get the same answer.

    With `is_public` only this machine is answered with details: readers need not know what the operator has to mend.
    """

    def __init__(self, settings: Settings, *, is_public: bool = False) -> None:
        self._settings, self._is_public = settings, is_public
        self._latest: TTLCache[None, Health] = TTLCache(maxsize=1, ttl=LOOK_AGAIN_SECONDS)
        self._looking = threading.Lock()

    def look(self) -> Health:
        """Return the health, at most a few seconds old."""
        with self._looking:
            if (health := self._latest.get(None)) is None:
                health = self._latest[None] = check_health(self._settings)
            return health

    async def metrics(self, request: Request) -> Response:
        """Answer Prometheus."""
        if self.is_hidden_from(request):
            return JSONResponse({"error": "metrics are answered to this machine: see killreport metrics --host"}, 403)
        registry = CollectorRegistry()
        registry.register(HealthCollector(await run_in_threadpool(self.look)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def health(self, request: Request) -> Response:
        """Answer with the health; 503 when something needs attention."""
        found = await run_in_threadpool(self.look)
        shown = {"healthy": found.is_healthy} if self.is_hidden_from(request) else found.as_json()
        return JSONResponse(shown, 200 if found.is_healthy else 503)

    def is_hidden_from(self, request: HTTPConnection) -> bool:
        """Whether the request comes from elsewhere; behind a proxy, uvicorn names the reader and not the proxy."""
        return self._is_public and (request.client is None or not is_loopback_host(request.client.host))

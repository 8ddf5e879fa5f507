"""`/metrics` for Prometheus and `/health` for load balancers and people: the platform's health over HTTP."""

import threading

from cachetools import TTLCache
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from killreport_assets.monitoring.health import check_health
from killreport_assets.monitoring.metrics import HealthCollector
from killreport_assets.monitoring.state import Health
from killreport_assets.settings import Settings

LOOK_AGAIN_SECONDS = 5.0


class Looking:
    """Looks at the platform's health; those who ask within a few seconds get the same answer."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._latest: TTLCache[None, Health] = TTLCache(maxsize=1, ttl=LOOK_AGAIN_SECONDS)
        self._looking = threading.Lock()

    def look(self) -> Health:
        """Return the health, at most a few seconds old."""
        with self._looking:
            if (health := self._latest.get(None)) is None:
                health = self._latest[None] = check_health(self._settings)
            return health

    async def metrics(self, _request: Request) -> Response:
        """Answer Prometheus."""
        registry = CollectorRegistry()
        registry.register(HealthCollector(await run_in_threadpool(self.look)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def health(self, _request: Request) -> Response:
        """Answer with the whole health; 503 when something needs attention."""
        found = await run_in_threadpool(self.look)
        return JSONResponse(found.as_json(), 200 if found.is_healthy else 503)

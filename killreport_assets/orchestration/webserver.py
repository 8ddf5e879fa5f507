"""Dagster's UI, closed to other web pages: `python -m killreport_assets.orchestration.webserver WORKSPACE PORT`.

Dagster's webserver has no sign-in and answers everyone: a page of any site that is open in a browser of this machine
could send it commands (a foreign Origin), or read everything by a name of its own that leads to loopback (a foreign
Host). Both are refused here, before Dagster's application. It also serves the charts that descriptions of assets show.
Starting and watching the process is in supervisor.py.
"""

import base64
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import uvicorn
from dagster import AssetKey, DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.settings import Settings, load_settings

STATEMENT_MILLISECONDS = 15_000
POOL_RECYCLE_SECONDS = 3_600
POOL_MAX_OVERFLOW = 20
"""This and the two above are the defaults of `dagster-webserver`."""
POLL_MILLISECONDS = 2_000
STOP_SECONDS = 2
OWN_SITES = {None, "none", "same-origin"}
"""Values of Sec-Fetch-Site: not a browser, typed by the user, a page of the UI."""
EMBEDDED_PNG = re.compile(r"\(data:image/png;base64,([A-Za-z0-9+/=]+)\)")


class OnlyOwnPages:
    """ASGI middleware that refuses what other sites' pages send, and GraphQL that a link could send."""

    def __init__(self, app: ASGIApp, hosts: Iterable[str]) -> None:
        self._app = app
        self._hosts = {host.lower() for host in hosts}
        self._origins = {f"{scheme}://{host}" for host in self._hosts for scheme in ("http", "https")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 403 or 405; a WebSocket is closed before it opens."""
        refusal = None if scope["type"] == "lifespan" else self._refusal(scope, Headers(scope=scope))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose()(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> PlainTextResponse | None:
        if not self._are_own(headers.getlist("host"), self._hosts) or not headers.getlist("host"):
            return _refused(
                403, "this Host is not known here: KILLREPORT_UI_ALLOWED_HOSTS lists those of a reverse proxy"
            )
        if not self._are_own(headers.getlist("origin"), self._origins):
            return _refused(403, "pages of other sites may not use Dagster's UI")
        if headers.get("sec-fetch-site") not in OWN_SITES and not _is_link(scope, headers):
            return _refused(403, "pages of other sites may not use Dagster's UI")
        if scope["type"] == "http" and scope["path"].endswith("/graphql") and not _is_safe_graphql(scope, headers):
            return _refused(405, "send GraphQL by POST with the content type application/json")
        return None

    @staticmethod
    def _are_own(values: list[str], own: set[str]) -> bool:
        return len(values) <= 1 and all(value.lower() in own for value in values)


def _is_link(scope: Scope, headers: Headers) -> bool:
    """Whether a user follows a link to a page of the UI (https://www.w3.org/TR/fetch-metadata/)."""
    wanted = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return scope["type"] == "http" and scope["method"] == "GET" and wanted == ("navigate", "document")


def _is_safe_graphql(scope: Scope, headers: Headers) -> bool:
    """A query in a body of JSON, which no link or form can send; or the page of GraphiQL."""
    if scope["method"] == "POST":
        return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    return not scope["query_string"]


def _refused(status: int, reason: str) -> PlainTextResponse:
    return PlainTextResponse(f"{reason}\n", status)


class GuardedWebserver(DagsterWebserver[WorkspaceProcessContext, Any]):
    """Dagster's webserver behind that middleware, with the assets' charts."""

    def __init__(self, context: WorkspaceProcessContext, hosts: Iterable[str], path_prefix: str = "") -> None:
        super().__init__(context, app_path_prefix=path_prefix, live_data_poll_rate=POLL_MILLISECONDS)
        self._instance = context.instance
        self._hosts = hosts

    def build_middleware(self) -> list[Middleware]:
        """Dagster's middleware inside ours."""
        return [Middleware(OnlyOwnPages, hosts=self._hosts), *super().build_middleware()]

    def build_routes(self) -> list[BaseRoute]:
        """Dagster's routes, and /charts/SCHEMA/TABLE.png."""
        return [Route("/charts/{schema}/{table}.png", self._chart), *super().build_routes()]  # type: ignore[no-untyped-call]

    def _chart(self, request: Request) -> Response:
        """The chart of the asset's last materialization; 404 while it has none."""
        key = AssetKey([request.path_params["schema"], request.path_params["table"]])
        png = latest_chart(self._instance, key)
        return PlainTextResponse("no chart yet\n", 404) if png is None else Response(png, media_type="image/png")


def latest_chart(instance: DagsterInstance, key: AssetKey) -> bytes | None:
    """The PNG in the metadata `chart` of an asset's last materialization; None if it has none."""
    event = instance.get_latest_materialization_event(key)
    chart = event.asset_materialization.metadata.get("chart") if event and event.asset_materialization else None
    embedded = EMBEDDED_PNG.search(str(chart.value)) if chart else None
    return base64.b64decode(embedded[1]) if embedded else None


def allowed_hosts(settings: Settings, port: int) -> list[str]:
    """The values of Host that are answered: loopback with the port, and those of a reverse proxy."""
    loopback = [f"{host}:{port}" for host in ("127.0.0.1", "localhost", "[::1]")]
    return [*loopback, *settings.process.ui_allowed_hosts]


def serve(
    workspace: Path,
    port: int,
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    is_read_only: bool = False,
    path_prefix: str = "",
) -> None:
    """Serve the UI of a workspace until interrupted; Dagster's home is DAGSTER_HOME."""
    with DagsterInstance.get() as instance:
        instance.optimize_for_webserver(STATEMENT_MILLISECONDS, POOL_RECYCLE_SECONDS, POOL_MAX_OVERFLOW)
        target = WorkspaceFileTarget([str(workspace)])
        with WorkspaceProcessContext(
            instance, workspace_load_target=target, version=__version__, read_only=is_read_only
        ) as context:
            app = GuardedWebserver(context, allowed_hosts(settings, port), path_prefix).create_asgi_app()
            # An open page's WebSocket must not hold up the end.
            uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=STOP_SECONDS)


if __name__ == "__main__":
    never_proxy_loopback()
    serve(Path(sys.argv[1]), int(sys.argv[2]), load_settings())

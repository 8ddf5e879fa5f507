"""Serving the application with uvicorn: in this process, or in several that share one port."""

import asyncio
import sys
from contextlib import suppress
from typing import Any

import uvicorn
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.routing import Route
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.provision.database import open_database
from killreport_assets.settings import Settings, load_settings, set_variable
from killreport_assets.web.app import build_app
from killreport_assets.web.health import Looking

PORT_VARIABLE = "KILLREPORT_AUTH_PORT"
STOP_SECONDS = 3
"""How long open answers, as a live feed's, may keep a server from ending."""


class DeadlineProtocol(HttpToolsProtocol):
    """HTTP as uvicorn has it; a connection whose request is not whole in time is closed; uvicorn would wait."""

    seconds = 30.0
    """From the connection, or from a request's first byte, to the last byte of the request."""
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """The time runs from here: a client may also send nothing at all."""
        super().connection_made(transport)
        self._start_deadline()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._start_deadline()

    def on_message_complete(self) -> None:
        """The last byte of a request, its body included."""
        self._cancel_deadline()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is left to close."""
        self._cancel_deadline()
        super().connection_lost(exc)

    def _start_deadline(self) -> None:
        self._cancel_deadline()
        self._deadline = self.loop.call_later(self.seconds, self._end_slow_request)

    def _end_slow_request(self) -> None:
        is_answering = self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete
        if is_answering or self.flow.read_paused:  # the client waits for us, not we for it
            self._start_deadline()
        else:
            self.transport.abort()

    def _cancel_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()


_OPTIONS: dict[str, Any] = {
    "http": DeadlineProtocol,
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": STOP_SECONDS,
}


def serve(settings: Settings, engine: Engine, host: str, port: int, workers: int = 1) -> None:
    """Serve until interrupted; request lines are not logged, because a callback's contains a code.

    Raises:
        UserError: see `build_app`.
    """
    app = build_app(settings, engine)
    if workers == 1:
        _run(app, host, port)
        return
    set_variable(PORT_VARIABLE, str(port))
    with suppress(KeyboardInterrupt):
        uvicorn.run(
            "killreport_assets.web.server:worker_app", factory=True, host=host, port=port, workers=workers, **_OPTIONS
        )


def worker_app() -> Starlette:
    """The application of one of several processes, from the environment."""
    settings = load_settings()
    return build_app(settings, open_database(settings))


def serve_metrics(settings: Settings, host: str, port: int) -> None:
    """Serve `/metrics` and `/health` alone until interrupted; needs no database."""
    _run(metrics_app(settings), host, port)


def metrics_app(settings: Settings) -> Starlette:
    """The application that answers `/metrics` and `/health` alone."""
    looking = Looking(settings)
    return Starlette(routes=[Route("/metrics", looking.metrics), Route("/health", looking.health)])


def _run(app: Starlette, host: str, port: int) -> None:
    uvicorn.run(app, host=host, port=port, **_OPTIONS)


if __name__ == "__main__":
    never_proxy_loopback()
    chosen = load_settings().with_values(auth_port=int(sys.argv[1]))
    serve(chosen, open_database(chosen), "127.0.0.1", int(sys.argv[1]))

"""Serving the application with uvicorn: in this process, or in several that share one port."""

import sys
from contextlib import suppress

import uvicorn
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.routing import Route

from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.provision.database import open_database
from killreport_assets.settings import Settings, load_settings, set_variable
from killreport_assets.web.app import build_app
from killreport_assets.web.health import Looking

PORT_VARIABLE = "KILLREPORT_AUTH_PORT"
STOP_SECONDS = 3
"""How long open answers, as a live feed's, may keep a server from ending."""


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
            "killreport_assets.web.server:worker_app",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_SECONDS,
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
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


if __name__ == "__main__":
    never_proxy_loopback()
    chosen = load_settings().with_values(auth_port=int(sys.argv[1]))
    serve(chosen, open_database(chosen), "127.0.0.1", int(sys.argv[1]))

"""The commands of the web application, and the older names under which parts of it were served."""

from typing import Annotated

import typer
from rich.markup import escape

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import check_port, current_settings, database_of, service_settings
from killreport_assets.cli.options import MAX_PORT, MIN_PORT, Sandbox
from killreport_assets.cli.output import wide as out
from killreport_assets.settings import Settings, is_loopback_host

web = typer.Typer(no_args_is_help=True, help="The web application: pages, sign-in, API, health and metrics.")
auth = typer.Typer(no_args_is_help=True, help="The page where users sign in with EVE: part of the web application.")
app = typer.Typer()
MAX_WORKERS = 64
Host = Annotated[str, typer.Option(help="the address to listen on")]
Port = Annotated[int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="default: KILLREPORT_AUTH_PORT")]


@web.command()
def serve(
    port: Port = None,
    host: Host = "127.0.0.1",
    workers: Annotated[int, typer.Option(min=1, max=MAX_WORKERS, help="processes that serve")] = 1,
    sandbox: Sandbox = False,
) -> None:
    """Serve everything on one address, on loopback unless --host is given. Ctrl-C stops it.

    Behind a proxy: set KILLREPORT_AUTH_URL=https://your.host, the address for browsers; the proxy terminates TLS and
    passes the Host header on.
    """
    _serve(_settings(port, sandbox=sandbox), host, workers)


@auth.command("serve")
def serve_sign_in(port: Port = None, host: Host = "127.0.0.1", sandbox: Sandbox = False) -> None:
    """Serve the web application, whose page /me signs users in; needs an application at EVE. Ctrl-C stops it."""
    from killreport_assets.users.sso import client_id

    settings = _settings(port, sandbox=sandbox)
    client_id(settings)
    _serve(settings, host, 1)


@app.command()
def metrics(
    port: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="default: KILLREPORT_METRICS_PORT")
    ] = None,
    host: Annotated[str, typer.Option(help="the address to listen on; reading needs no password")] = "127.0.0.1",
) -> None:
    """Serve /metrics for Prometheus and /health alone, on loopback unless --host is given. Ctrl-C stops it."""
    from killreport_assets.web.server import serve_metrics

    settings = current_settings()
    chosen = port or settings.process.metrics_port
    check_port(host, chosen, "KILLREPORT_METRICS_PORT")
    out.print(f"http://{host}:{chosen}/metrics and http://{host}:{chosen}/health")
    serve_metrics(settings, host, chosen)


def _settings(port: int | None, *, sandbox: bool) -> Settings:
    settings = service_settings(sandbox=sandbox)
    return settings if port is None else settings.with_values(auth_port=port)


def _serve(settings: Settings, host: str, workers: int) -> None:
    from killreport_assets.web.server import serve as serve_application

    port = settings.users.auth_port
    if not is_loopback_host(host) and settings.users.auth_url is None:
        raise UserError(
            f"to listen on {host}, set the address for browsers: KILLREPORT_AUTH_URL=https://your.host, "
            "with a proxy in front that terminates TLS"
        )
    check_port(host, port, "KILLREPORT_AUTH_PORT")
    with database_of(settings, asks_services=True, begins=True) as engine:
        url = escape(settings.users.public_auth_url)
        out.print(f"KillReport: [bold]{url}[/]  (Ctrl-C stops it)")
        if settings.users.sso_client_id is None:
            out.print("Users cannot sign in: KILLREPORT_SSO_CLIENT_ID names no application at EVE")
        else:
            out.print(f"Your application at EVE needs the callback URL {url}/callback")
        if settings.users.auth_url is None:
            out.print("Only this machine can reach it. Behind a proxy, set KILLREPORT_AUTH_URL=https://your.host")
        serve_application(settings, engine, host, port, workers)

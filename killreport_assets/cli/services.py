"""The parts of a deployment, each a process of its own: daemon, code servers, Dagster's UI, and whether each lives.

`killreport dev` runs them all on one machine; systemd, compose and Kubernetes run these commands.
"""

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import check_port, current_settings
from killreport_assets.cli.exit_codes import ExitCode
from killreport_assets.cli.options import MAX_PORT, MIN_PORT
from killreport_assets.cli.output import err, out, print_error, print_line
from killreport_assets.settings import is_loopback_host

app = typer.Typer()
CODE_SERVER_PORTS = {"platform": 4266, "transforms": 4267}
Host = Annotated[str, typer.Option(help="the address to listen on; nothing asks for a password")]


class CodeLocation(StrEnum):
    """The code locations of workspace.yaml."""

    platform = "platform"
    transforms = "transforms"


class Part(StrEnum):
    """What can be asked whether it lives."""

    database = "database"
    web = "web"
    ui = "ui"
    metrics = "metrics"
    code_server = "code-server"
    daemon = "daemon"


@app.command()
def daemon() -> None:
    """Run Dagster's daemon while no other one leads; else stand by, and take over within seconds when that one ends.

    As many as you like may run over one database. Code locations: KILLREPORT_CODE_SERVERS, or code servers of its own.
    """
    settings = current_settings()
    from killreport_assets.orchestration.instance import enter_dagster_environment
    from killreport_assets.orchestration.workspace import workspace_file
    from killreport_assets.provision.database import open_database

    open_database(settings).dispose()
    enter_dagster_environment(settings)
    from killreport_assets.orchestration.leader import lead

    lead(settings, workspace_file(settings), lambda line: print(line, flush=True))  # noqa: T201 - it is a log


@app.command("code-server")
def code_server(
    location: Annotated[CodeLocation, typer.Argument(help="the code location")],
    host: Host = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="default: 4266 for platform, 4267 for transforms")
    ] = None,
) -> None:
    """Serve a code location to the daemon and the UI, which find it by KILLREPORT_CODE_SERVERS."""
    settings = current_settings()
    port = port or CODE_SERVER_PORTS[location.value]
    check_port(host, port, "KILLREPORT_CODE_SERVERS")
    from killreport_assets.orchestration.instance import enter_dagster_environment
    from killreport_assets.orchestration.workspace import code_locations

    enter_dagster_environment(settings)
    arguments = ["code-server", "start", "--host", host, "--port", str(port), "--log-level", "warning"]
    arguments += ["--module-name", code_locations()[location.value], "--location-name", location.value]
    dagster = Path(sys.executable).with_name("dagster")
    os.execv(dagster, [str(dagster), *arguments])  # noqa: S606


@app.command("run-worker")
def run_worker(
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="runs at the same time")] = 2,
) -> None:
    """Execute Dagster's runs on this machine, taken from RabbitMQ: with KILLREPORT_RUN_LAUNCHER=celery, on any number.

    SIGTERM to this process alone, and Ctrl-C, let runs end that have begun; a second Ctrl-C ends them.
    """
    settings = current_settings()
    if settings.operator.run_launcher != "celery":
        raise UserError("runs are processes of the code servers here: set KILLREPORT_RUN_LAUNCHER=celery everywhere")
    from killreport_assets.orchestration.instance import enter_dagster_environment

    enter_dagster_environment(settings)
    from killreport_assets.orchestration.celery_runs import work_off_runs

    work_off_runs(concurrency)


@app.command()
def ui(
    port: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="default: KILLREPORT_WEBSERVER_PORT")
    ] = None,
    host: Host = "127.0.0.1",
    read_only: Annotated[bool, typer.Option("--read-only", help="show everything, change nothing")] = False,
    path_prefix: Annotated[str, typer.Option(help="the path behind a proxy: /dagster")] = "",
) -> None:
    """Serve Dagster's UI, without the daemon. Ctrl-C stops it."""
    settings = current_settings()
    chosen = port or settings.process.webserver_port
    if path_prefix and not (path_prefix.startswith("/") and path_prefix.strip("/")):
        raise UserError(f"{path_prefix!r} is no path: give it like /dagster")
    check_port(host, chosen, "KILLREPORT_WEBSERVER_PORT")
    from killreport_assets.orchestration.instance import enter_dagster_environment
    from killreport_assets.orchestration.webserver import serve
    from killreport_assets.orchestration.workspace import workspace_file

    if not is_loopback_host(host) and not read_only:
        err.print(
            f"[yellow]warning:[/] who reaches {host}:{chosen} commands Dagster without a sign-in: let only a proxy "
            "reach it that asks /auth/verify first (docs/deploy.md), or add --read-only"
        )
    enter_dagster_environment(settings)
    prefix = path_prefix.rstrip("/")
    out.print(f"Dagster's UI: [bold]http://{host}:{chosen}{prefix}[/]  (Ctrl-C stops it)")
    serve(workspace_file(settings), chosen, settings, host=host, is_read_only=read_only, path_prefix=prefix)


@app.command()
def health(
    part: Annotated[Part, typer.Argument(help="the part")] = Part.database,
    port: Annotated[
        int | None, typer.Option(min=MIN_PORT, max=MAX_PORT, help="where it listens; default: its setting")
    ] = None,
) -> None:
    """Say within three seconds whether one part lives (exit code 0) or not (1): for what starts it again.

    Unlike `status`, it is only about what a restart can mend.
    """
    from killreport_assets.monitoring.liveness import problem_of

    settings = current_settings()
    ports = {
        Part.web: settings.users.auth_port,
        Part.ui: settings.process.webserver_port,
        Part.metrics: settings.process.metrics_port,
        Part.code_server: CODE_SERVER_PORTS["platform"],
    }
    problem = problem_of(part.value, settings, port or ports.get(part))
    if problem is not None:
        print_error(problem)
        raise typer.Exit(ExitCode.unhealthy)
    print_line(f"{part.value} lives")

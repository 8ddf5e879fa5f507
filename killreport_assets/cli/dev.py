"""`killreport dev`: Dagster's UI and daemon over the data, with a running sandbox beside them."""

import os
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.markup import escape

from killreport_assets.base.errors import Taken, UserError
from killreport_assets.base.files import held_by_one
from killreport_assets.base.network import free_port, is_port_free
from killreport_assets.base.redaction import without_secrets
from killreport_assets.cli.common import current_settings, use_sandbox
from killreport_assets.cli.output import out
from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.database.locks import Lock, hold_while_connected
from killreport_assets.monitoring.dagster_health import DEV_FILE
from killreport_assets.orchestration.instance import enter_dagster_environment
from killreport_assets.orchestration.processes import DagsterProcesses
from killreport_assets.orchestration.supervisor import StateFile, Supervisor
from killreport_assets.provision.database import open_database
from killreport_assets.settings import Settings

GRPC_SECONDS = "120"
RUNS_ALREADY = "killreport dev already runs in {}: stop it, or set another KILLREPORT_HOME"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(*, live: bool, release_every: float) -> None:
    """Serve until interrupted; the exit code is then 128 and the signal.

    Raises:
        Taken: the port is taken, or another `dev` runs in this home or over the same Dagster database.
        UserError: a setting is wrong, a server does not start, the database is of the other origin, or one of Dagster's
            processes ends again and again.
    """
    settings = current_settings()
    if live and not settings.services.contact:
        raise UserError("--live sends requests to real services: set KILLREPORT_CONTACT to your e-mail first")
    port = settings.process.webserver_port
    if not is_port_free(port):
        raise Taken(f"port {port} is taken: set KILLREPORT_WEBSERVER_PORT to another")
    web_port = _web_port(settings)
    _exit_on_signals()
    with ExitStack() as stack:
        stack.enter_context(held_by_one(settings.home / "dev.lock", RUNS_ALREADY.format(settings.home)))
        if not live and settings.services.origin != "sandbox":
            from killreport_assets.sandbox.process import SandboxProcess

            sandbox = SandboxProcess(settings.process.sandbox_port, settings.home / "sandbox-feed", release_every)
            settings = use_sandbox(stack.enter_context(sandbox).urls)
        open_database(settings).dispose()
        _be_the_only_daemon(stack, settings)
        enter_dagster_environment(settings)
        os.environ.setdefault("DAGSTER_GRPC_TIMEOUT_SECONDS", GRPC_SECONDS)
        _run_dagster(stack, settings, web_port)


def _web_port(settings: Settings) -> int:
    """The web application's port: the one that is set, else the usual one or any that is free."""
    port = settings.users.auth_port
    if is_port_free(port):
        return port
    if "auth_port" in settings.users.model_fields_set:
        raise Taken(f"port {port} is taken: set KILLREPORT_AUTH_PORT to another")
    return free_port()


def _run_dagster(stack: ExitStack, settings: Settings, web_port: int) -> None:
    port = settings.process.webserver_port
    sockets = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-")))
    processes = DagsterProcesses(sockets, settings.home / "dagster" / "workspace.yaml", port, web_port)
    processes.write_workspace()
    state = StateFile(settings.home / DEV_FILE, port)
    stack.callback(state.remove)
    stack.callback(_wipe_heartbeats)
    supervisor = stack.enter_context(Supervisor(lambda line: out.print(escape(line)), state.write))
    stack.callback(_ignore_signals)  # the first of what follows a signal: a second one does not cut the end short
    out.print("starting Dagster …")
    _prepare_storage()
    supervisor.start(processes.code_servers)
    supervisor.watch(until=processes.have_loaded)
    has_alerts = settings.operator.alert_urls is not None
    further = [processes.alerts] if has_alerts else []
    supervisor.start([processes.daemon, processes.webserver, processes.web_application, *further])
    supervisor.watch(until=processes.is_serving)
    out.print(f"Dagster's UI: [bold]http://127.0.0.1:{port}[/]  (Ctrl-C stops it)")
    out.print(f"Killmails, for readers and their programs: [bold]http://127.0.0.1:{web_port}[/]")
    supervisor.watch()


def _be_the_only_daemon(stack: ExitStack, settings: Settings) -> None:
    """Two daemons of one Dagster database would start every run twice; a restart of the server ends this lock."""
    url = database_urls(settings).dagster
    engine = make_engine(url, pool_size=1)
    connection = engine.connect()
    stack.callback(engine.dispose)
    stack.callback(connection.invalidate)  # it may be broken: the session ends in any case
    if not hold_while_connected(connection, Lock.DAEMON):
        raise Taken(
            f"killreport dev already runs over {without_secrets(str(url))}, in another home or on another machine: "
            "stop it, or set KILLREPORT_DAGSTER_DATABASE_URL to another database"
        )


def _exit_on_signals() -> None:
    """End by way of every `finally`; a shell may make background processes ignore interrupts."""

    def end(number: int, _: object) -> None:
        out.print("stopping Dagster's processes …")
        raise SystemExit(128 + number)

    for number in SIGNALS:
        signal.signal(number, end)


def _ignore_signals() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _prepare_storage() -> None:
    """Create Dagster's tables before its processes start, so that they do not race to do so."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()


def _wipe_heartbeats() -> None:
    from killreport_assets.orchestration.leader import wipe_heartbeats

    wipe_heartbeats()

"""`killreport dev`: Dagster's UI and daemon over the data, with a running sandbox beside them."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil

from killreport_assets.base.errors import UserError
from killreport_assets.cli.common import current_settings, use_sandbox
from killreport_assets.cli.output import out
from killreport_assets.orchestration.instance import WORKSPACE, enter_dagster_environment
from killreport_assets.provision.database import open_database

GRPC_SECONDS = "120"
STOP_SECONDS = 20


def serve(*, live: bool, release_every: float) -> None:
    """Serve until interrupted.

    Raises:
        UserError: a setting is wrong, a server does not start, or the database is of the other origin.
    """
    settings = current_settings()
    with ExitStack() as stack:
        if not live and settings.services.origin != "sandbox":
            from killreport_assets.sandbox.process import SandboxProcess

            feed = settings.home / "sandbox-feed"
            settings.home.mkdir(parents=True, exist_ok=True)
            sandbox = SandboxProcess(settings.process.sandbox_port, feed, release_every)
            settings = use_sandbox(stack.enter_context(sandbox).urls)
        if live and not settings.services.contact:
            raise UserError("--live sends requests to real services: set KILLREPORT_CONTACT to your e-mail first")
        open_database(settings).dispose()
        enter_dagster_environment(settings)
        os.environ.setdefault("DAGSTER_GRPC_TIMEOUT_SECONDS", GRPC_SECONDS)
        _prepare_storage()
        out.print(f"Dagster's UI: [bold]http://127.0.0.1:{settings.process.webserver_port}[/]  (Ctrl-C stops it)")
        dagster = Path(sys.executable).with_name("dagster")
        command = [
            str(dagster),
            "dev",
            "-w",
            str(WORKSPACE),
            "-h",
            "127.0.0.1",
            "-p",
            str(settings.process.webserver_port),
            "--log-level",
            "warning",
        ]
        signal.signal(signal.SIGTERM, _interrupt)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may make background processes ignore it
        server = subprocess.Popen(command, start_new_session=True, preexec_fn=_accept_interrupts)
        try:
            code = server.wait()
        except KeyboardInterrupt:
            out.print("stopping Dagster's processes …")
            server.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                server.wait(STOP_SECONDS)
            return
        finally:
            _end_group(server.pid)
        if code:
            raise UserError(f"Dagster exited with {code}; is port {settings.process.webserver_port} in use?")


def _end_group(group: int) -> None:
    """End Dagster's remaining processes: a code server that waits for a lost run waits forever."""
    members = [process for process in psutil.process_iter() if _group_of(process) == group]
    for process in members:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(members, timeout=5.0)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _group_of(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _accept_interrupts() -> None:
    """Accept interrupts in the child: a shell may make background processes ignore them."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _prepare_storage() -> None:
    """Create Dagster's tables before its processes start, so that they do not race to do so."""
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.get_runs_count()

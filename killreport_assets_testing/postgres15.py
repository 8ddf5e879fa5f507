"""A PostgreSQL of the system's packages on loopback, as an operator's own server would be."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from killreport_assets.base.network import free_port
from killreport_assets.database.embedded import EmbeddedPostgres

PASSWORD = "an operator's own"


class ExternalPostgres:
    """The oldest PostgreSQL that the system has; without any, the embedded one over TCP."""

    def __init__(self) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="killreport-postgres-"))
        self._port = free_port()
        self._binaries = min(Path("/usr/lib/postgresql").glob("*/bin/initdb"), default=None)
        self._embedded = EmbeddedPostgres(self._directory) if self._binaries is None else None
        if self._embedded is not None:
            self._embedded.start(tcp_port=self._port)
        else:
            self._start()

    @property
    def url(self) -> str:
        """What KILLREPORT_DATABASE_URL would be."""
        if self._embedded is not None:
            return str(self._embedded.tcp_url("killreport"))
        return f"postgresql://killreport:{PASSWORD.replace(' ', '%20')}@127.0.0.1:{self._port}/killreport"

    def remove(self) -> None:
        """End it and remove its files."""
        if self._embedded is not None:
            self._embedded.stop()
        else:
            self._run("pg_ctl", "-D", str(self._directory / "data"), "-m", "fast", "stop")
        shutil.rmtree(self._directory, ignore_errors=True)

    def _start(self) -> None:
        self._directory.chmod(0o755)
        if os.geteuid() == 0:
            shutil.chown(self._directory, "postgres", "postgres")
        password = self._directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        data = str(self._directory / "data")
        self._run("initdb", "-D", data, "-U", "killreport", "-A", "scram-sha-256", f"--pwfile={password}")
        options = f"-h 127.0.0.1 -p {self._port} -k {self._directory} -c max_connections=100"
        self._run("pg_ctl", "-w", "-D", data, "-o", options, "-l", str(self._directory / "log"), "start")

    def _run(self, program: str, *arguments: str) -> None:
        assert self._binaries is not None
        user = "postgres" if os.geteuid() == 0 else None
        command = [str(self._binaries.with_name(program)), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, user=user, cwd=self._directory)

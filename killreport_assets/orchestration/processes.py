"""The processes of `killreport dev`: two code servers, the daemon, the webserver, the web application, alerts.

The workspace file connects Dagster's. The code locations are those of workspace.yaml at the top, which starts code
servers of its own for each program that reads it. Keeping the processes running is in supervisor.py.
"""

import socket
from dataclasses import dataclass
from pathlib import Path

from killreport_assets.orchestration.supervisor import Program
from killreport_assets.orchestration.workspace import code_locations, write_workspace

LOAD_SECONDS = "180"


@dataclass(frozen=True)
class DagsterProcesses:
    """The programs of one deployment: `sockets` is a short, private folder, `workspace` the file that is written."""

    sockets: Path
    workspace: Path
    port: int
    web_port: int

    @property
    def code_servers(self) -> list[Program]:
        """A code server for each code location, on a socket of its own."""
        return [
            Program(
                f"code server {name}",
                "dagster",
                (
                    *("code-server", "start", "--socket", str(self._socket(name)), "--module-name", module),
                    *("--location-name", name, "--startup-timeout", LOAD_SECONDS, "--log-level", "warning"),
                ),
            )
            for name, module in code_locations().items()
        ]

    @property
    def daemon(self) -> Program:
        """Sensors, schedules, the run queue."""
        arguments = ("run", "--workspace", str(self.workspace), "--log-level", "warning")
        return Program("daemon", "dagster._daemon", arguments)

    @property
    def webserver(self) -> Program:
        """The UI."""
        module = "killreport_assets.orchestration.webserver"
        return Program("webserver", module, (str(self.workspace), str(self.port)))

    @property
    def web_application(self) -> Program:
        """Pages, sign-in and API, which need no Dagster."""
        return Program("web", "killreport_assets.web.server", (str(self.web_port),))

    @property
    def alerts(self) -> Program:
        """Messages when problems begin and end, for KILLREPORT_ALERT_URLS."""
        return Program("alerts", "killreport_assets.cli", ("alerts", "watch"))

    def write_workspace(self) -> None:
        """Write the workspace file."""
        write_workspace(self.workspace, {name: {"socket": str(self._socket(name))} for name in code_locations()})

    def have_loaded(self) -> bool:
        """Whether every code server accepts connections, which it does when its code is loaded."""
        return all(_accepts(socket.AF_UNIX, str(self._socket(name))) for name in code_locations())

    def is_serving(self) -> bool:
        """Whether the webserver and the web application accept connections."""
        return all(_accepts(socket.AF_INET, ("127.0.0.1", port)) for port in (self.port, self.web_port))

    def _socket(self, name: str) -> Path:
        return self.sockets / name


def _accepts(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0

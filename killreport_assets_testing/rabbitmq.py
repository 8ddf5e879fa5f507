"""A private RabbitMQ node from Debian's package: own ports, own directory, never the system's broker."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from killreport_assets.base.network import free_port
from killreport_assets.queues.broker import WorkerLimits
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.queues.rabbitmq import RabbitBroker

SCRIPTS = Path("/usr/lib/rabbitmq/bin")
START_SECONDS = 90


def is_installed() -> bool:
    """Whether the package is there."""
    return (SCRIPTS / "rabbitmq-server").exists()


class RabbitNode:
    """One node; `start` may be called again after `stop`, and finds its queues as they were."""

    def __init__(self, *, management: bool = False) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="killreport-rabbitmq-"))
        self.port = free_port()
        self._epmd_port = free_port()
        name = f"killreport-{secrets.token_hex(4)}@localhost"
        self._management_port = free_port()
        plugins = "[rabbitmq_management]." if management else "[]."
        (self._directory / "enabled_plugins").write_text(plugins)
        (self._directory / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            + (f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self._management_port}\n" if management else "")
        )
        self._environment = os.environ | {
            "HOME": str(self._directory),
            "RABBITMQ_NODENAME": name,
            "RABBITMQ_MNESIA_BASE": str(self._directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._directory / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._directory / "enabled_plugins"),
            "RABBITMQ_CONF_ENV_FILE": str(self._directory / "none"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What KILLREPORT_AMQP_URL would be."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/%2F"

    @property
    def management_url(self) -> str:
        """What KILLREPORT_AMQP_MANAGEMENT_URL would be."""
        return f"http://guest:guest@127.0.0.1:{self._management_port}"

    def start(self) -> "RabbitNode":
        """Start it and wait until it accepts connections."""
        with (self._directory / "output").open("ab") as output:
            self._process = subprocess.Popen(
                [SCRIPTS / "rabbitmq-server"],
                env=self._environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"RabbitMQ did not start:\n{(self._directory / 'output').read_text()[-2000:]}")
            time.sleep(0.2)
        return self

    def stop(self) -> None:
        """End the node; what it has stored stays."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def remove(self) -> None:
        """End the node, its name server, and remove its files."""
        self.stop()
        epmd = ["epmd", "-port", str(self._epmd_port), "-kill"]
        subprocess.run(epmd, capture_output=True, check=False, env=self._environment)
        shutil.rmtree(self._directory, ignore_errors=True)

    def _answers(self) -> bool:
        # A listening port is not enough: the handshake's answer says that the broker serves.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return connection.recv(1) == b"\x01"
        except OSError:
            return False


def empty(broker: RabbitBroker, *queues: WorkQueue) -> None:
    """Consume what other tests have left on the node."""
    for queue in queues:
        with broker.consume(queue.name, WorkerLimits(idle_seconds=0.2)) as consumer:
            while not consumer.finished:
                consumer.acknowledge(consumer.receive(0.1))

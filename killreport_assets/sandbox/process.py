"""Starting the sandbox: in this process, or in one of its own that ends with its parent."""

import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from killreport_assets.base import child
from killreport_assets.base.errors import UserError
from killreport_assets.base.network import free_port, is_port_free
from killreport_assets.sandbox.app import build_app
from killreport_assets.sandbox.generated import Profile
from killreport_assets.sandbox.services.sso import NATIVE_CLIENT
from killreport_assets.settings.groups import SERVICES

START_SECONDS = 30.0


def service_urls(port: int) -> dict[str, str]:
    """The settings that point every service at a sandbox on this port, by environment variable."""
    urls = {f"KILLREPORT_{name.upper()}": f"http://127.0.0.1:{port}/{name.removesuffix('_url')}" for name in SERVICES}
    return urls | {"KILLREPORT_SSO_CLIENT_ID": NATIVE_CLIENT}


def serve(
    port: int, state: Path | None = None, release_every: float | None = None, seed: int = 0, profile: Profile = "fights"
) -> None:
    """Serve in this process until it is interrupted."""
    import uvicorn

    app = build_app(state, release_every, seed, profile)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


class SandboxProcess:
    """A sandbox in a process of its own, which ends with `stop()` or with its parent."""

    def __init__(self, port: int | None = None, state: Path | None = None, release_every: float | None = None) -> None:
        self.port = port or free_port()
        if not is_port_free(self.port):
            raise UserError(f"port {self.port} is taken: set KILLREPORT_SANDBOX_PORT to another")
        arguments = [str(self.port)]
        arguments += ["--state", str(state)] if state else []
        arguments += ["--release-every", str(release_every)] if release_every else []
        command = child.command("killreport_assets.sandbox.process", *arguments)
        self._process = subprocess.Popen(command, start_new_session=True)
        self._wait_until_it_answers()

    @property
    def urls(self) -> dict[str, str]:
        """The settings that point every service at it."""
        return service_urls(self.port)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "SandboxProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise UserError(f"the sandbox did not start on port {self.port}")
            time.sleep(0.05)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/statistics", timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def _main() -> None:
    import argparse

    parser = argparse.ArgumentParser(description="a sandbox that ends with its parent; by hand: killreport sandbox")
    parser.add_argument("port", type=int)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--release-every", type=float)
    arguments = parser.parse_args()
    serve(arguments.port, arguments.state, arguments.release_every)


if __name__ == "__main__":
    _main()

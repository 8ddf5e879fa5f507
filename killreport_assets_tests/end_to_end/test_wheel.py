"""The wheel is the product: built, installed with the runtime lock outside the tree, and run to the end there."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from killreport_assets import __version__
from killreport_assets.base.files import PACKAGE
from killreport_assets_testing.rabbitmq import free_port
from killreport_assets_testing.waiting import wait_until

ROOT = PACKAGE.parent
NOT_SOURCE = (".*", "build", "*.egg-info", "__pycache__", "target", "logs")
"""What an earlier build or run has left in the tree must not reach the wheel."""
UI_SECONDS = 180


@dataclass(frozen=True)
class Installed:
    """A wheel in a virtual environment of its own, and a home for it."""

    environment: Path
    folder: Path

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment outside the tree."""
        return subprocess.run(
            self.command(*command),
            cwd=self.folder,
            env=self.variables(settings),
            capture_output=True,
            text=True,
            check=False,
        )

    def command(self, program: str, *arguments: str) -> list[str]:
        """A command line of a program of the environment."""
        return [str(self.environment / "bin" / program), *arguments]

    def variables(self, settings: dict[str, str]) -> dict[str, str]:
        """The process's environment: nothing of the tree is on any path."""
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        return kept | {"KILLREPORT_HOME": str(self.folder / "home")} | settings


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The wheel of this tree, installed with what the runtime lock names."""
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    pip = [str(folder / "venv" / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    lock = str(ROOT / "requirements-runtime.lock")
    subprocess.run([*pip, "--require-hashes", "-r", lock], check=True, capture_output=True)
    subprocess.run([*pip, str(wheel)], check=True, capture_output=True)
    made = Installed(folder / "venv", folder)
    yield made
    made.run("killreport", "down")


def test_an_installed_wheel_runs_the_main_job_to_the_end(installed: Installed) -> None:
    done = installed.run("killreport", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = installed.run("killreport", "sql", "--json", "select count(*) as killmails from marts.fct_killmails")
    assert json.loads(rows.stdout) == [{"killmails": 394}]
    assert installed.run("killreport", "--version").stdout.strip() == f"killreport {__version__}"


def test_nothing_is_written_into_the_package(installed: Installed) -> None:
    where = "import killreport_assets; print(killreport_assets.__path__[0])"
    package = Path(installed.run("python", "-c", where).stdout.strip())
    assert package.is_relative_to(installed.environment)
    assert not list((package / "dbt_transforms").glob("target")) + list((package / "dbt_transforms").glob("logs"))
    assert (installed.folder / "home" / "dbt" / "target").is_dir()


def test_an_installed_wheel_serves_the_dagster_ui(installed: Installed) -> None:
    ports = {"KILLREPORT_WEBSERVER_PORT": str(free_port()), "KILLREPORT_SANDBOX_PORT": str(free_port())}
    url = f"http://127.0.0.1:{ports['KILLREPORT_WEBSERVER_PORT']}/server_info"
    server = subprocess.Popen(
        installed.command("killreport", "dev"),
        cwd=installed.folder,
        env=installed.variables(ports),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: server.poll() is None and _answers(url), UI_SECONDS)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False

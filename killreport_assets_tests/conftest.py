"""Fixtures of every tier, and what holds the tiers apart: a unit test that opens a socket fails."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
from pytest_socket import disable_socket, enable_socket
from sqlalchemy.engine import Engine
from xdist.scheduler import LoadFileScheduling

from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets.settings import Settings, load_settings
from killreport_assets_testing import rabbitmq
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.requirements import missing
from killreport_assets_testing.sandbox import Sandbox

TESTS = Path(__file__).parent
READ_STORY = (
    "transforms/test_statistics.py",
    "transforms/test_fits.py",
    "transforms/test_days_and_lists.py",
    "transforms/test_notebooks.py",
    *(
        f"web/test_{name}.py"
        for name in ("pages", "graphql", "rest", "looks", "battles", "fits", "reports", "generated_requests")
    ),
)
"""Files whose tests read the built marts of the fixture `story`."""
if TYPE_CHECKING:
    from killreport_assets_testing.story import Story

hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")


class _Scheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A file runs in one process; so do all files that read the built marts, which are built once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "story" if file.endswith(READ_STORY) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Scheduling:
    """Give files to processes."""
    return _Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with its tier."""
    for item in items:
        tier = Path(item.path).relative_to(TESTS).parts[0]
        item.add_marker(pytest.mark.unit if tier == "unit" else pytest.mark.servers)
        reads_story = "story" in getattr(item, "fixturenames", ())
        assert not reads_story or str(item.path).endswith(READ_STORY), f"{item.path} is to be one of READ_STORY"


@pytest.fixture(autouse=True)
def _tier(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in os.environ if name.startswith(("KILLREPORT_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    # dagster-dbt changes the working directory in threads: a build in this process may leave it in the dbt project.
    monkeypatch.chdir(TESTS.parent)
    if request.node.get_closest_marker("unit"):
        disable_socket(allow_unix_socket=True)
    yield
    enable_socket()


@pytest.fixture
def command() -> Command:
    """Runs `killreport …` in this process."""
    return Command()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One embedded PostgreSQL for all tests."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("home"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """Makes databases on it."""
    return Databases(postgres)


@pytest.fixture
def engine(databases: Databases) -> Iterator[Engine]:
    """A fresh, migrated database."""
    with databases.fresh() as engine:
        yield engine


@pytest.fixture(scope="session")
def story(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Story"]:
    """The built marts of the genuine killmails."""
    from killreport_assets_testing.story import Story, play
    from killreport_assets_testing.warehouse import Warehouse

    with databases.fresh() as engine:
        yield play(Story(Warehouse(engine, tmp_path_factory.mktemp("dbt"))), engine)


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[rabbitmq.RabbitNode]:
    """A private RabbitMQ node; without the package its tests are skipped, in CI they fail."""
    if not rabbitmq.is_installed():
        missing("Debian's package rabbitmq-server is not installed: apt install rabbitmq-server")
    node = rabbitmq.RabbitNode()
    try:
        yield node.start()
    finally:
        node.remove()


@pytest.fixture(scope="session")
def _sandbox_process() -> Iterator[SandboxProcess]:
    with SandboxProcess() as process:
        yield process


@pytest.fixture
def sandbox(_sandbox_process: SandboxProcess) -> Iterator[Sandbox]:
    """A sandbox without faults."""
    control = Sandbox(_sandbox_process)
    yield control
    control.reset()


@pytest.fixture
def settings(sandbox: Sandbox, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """Settings that point at the sandbox and at the fresh database, in the environment too."""
    environment = sandbox.urls | {
        "KILLREPORT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "KILLREPORT_HOME": str(tmp_path),
        "KILLREPORT_ESI_MAX_RPS": "500",
        "KILLREPORT_ZKILLBOARD_MAX_RPS": "100",
        "KILLREPORT_R2Z2_MAX_RPS": "200",
        "KILLREPORT_HTTP_TIMEOUT": "30",
        "KILLREPORT_ESI_DOWNTIME": "",
        "KILLREPORT_ESI_OUTAGE_SECONDS": "2",
        "KILLREPORT_LOG_LEVEL": "WARNING",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture
def platform(settings: Settings, engine: Engine) -> Iterator[Platform]:
    """A platform against the sandbox."""
    made = Platform(settings, engine)
    yield made
    made.close()

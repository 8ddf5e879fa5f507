"""What tests of commands need: a database of the operator's own, and the role that only reads."""

import pytest
from sqlalchemy.engine import Engine

from killreport_assets.database.engine import libpq_url
from killreport_assets.provision.readers import READER
from killreport_assets.settings import Settings
from killreport_assets_testing.command import Command


@pytest.fixture
def platform_command(command: Command, settings: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs commands on a fresh database and the sandbox."""
    monkeypatch.setenv("KILLREPORT_READER_URL", libpq_url(engine.url.set(username=READER.name)))
    return command

"""What an upgrade has to do: bring the embedded server's files and both databases' schemas to this version."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded_upgrade import pending_upgrade, upgrade_files
from killreport_assets.database.engine import database_exists, database_urls, make_engine
from killreport_assets.database.migrate import current_version, head, unknown_version
from killreport_assets.provision.database import bring_up_to_date, check_for_data
from killreport_assets.settings import Settings

DAGSTER_MIGRATIONS = ("dagster", "_core", "storage", "alembic")


@dataclass(frozen=True)
class Step:
    """One thing to do: a sentence, and the work."""

    says: str
    take: Callable[[], object]


def pending_steps(settings: Settings) -> list[Step]:
    """What there is to do, in order. A step may need the one before it: take them in order, or none.

    Raises:
        NoDatabase: there is no data yet.
        ServerRefuses: the data are newer than this package.
    """
    if settings.database.database_url is None and (versions := pending_upgrade(settings.home)):
        old, new = versions
        files = Step(
            f"the embedded server's files, from PostgreSQL {old} to {new}; the old ones stay in HOME/postgres-{old}",
            lambda: upgrade_files(settings.home),
        )
        # What the databases need can be seen when the server runs.
        return [files, Step("both databases' schemas", lambda: [step.take() for step in pending_steps(settings)])]
    urls = check_for_data(settings)
    steps = []
    engine = make_engine(urls.killreport, pool_size=1)
    with engine.connect() as connection:
        version = current_version(connection)
    engine.dispose()
    if version is not None and (problem := unknown_version(version)):
        raise ServerRefuses(problem)
    if version != head():
        steps.append(Step(f"the schema of the killmails, from {version} to {head()}", lambda: _migrate(settings)))
    if (known := _dagster_version(settings)) is not None and known != _dagster_head():
        steps.append(Step(f"Dagster's schema, from {known} to {_dagster_head()}", lambda: _migrate_dagster(settings)))
    return steps


def _migrate(settings: Settings) -> None:
    engine = make_engine(database_urls(settings).killreport)
    bring_up_to_date(settings, engine)
    engine.dispose()


def _dagster_version(settings: Settings) -> str | None:
    """The version of Dagster's schema; None while Dagster has not run."""
    url = database_urls(settings).dagster
    if not database_exists(url):
        return None
    engine = make_engine(url, pool_size=1)
    try:
        with engine.connect() as connection:
            if connection.execute(sa.text("select to_regclass('alembic_version')")).scalar() is None:
                return None
            version: str | None = connection.execute(sa.text("select version_num from alembic_version")).scalar()
            return version
    finally:
        engine.dispose()


def _dagster_head() -> str | None:
    """The version that the installed Dagster makes, from its migrations' files; Dagster itself takes seconds."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    found = importlib.util.find_spec(DAGSTER_MIGRATIONS[0])
    if found is None or found.origin is None:
        raise LookupError("dagster is not installed")
    config = Config()
    config.set_main_option("script_location", str(Path(found.origin).parent.joinpath(*DAGSTER_MIGRATIONS[1:])))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config).get_current_head()


def _migrate_dagster(settings: Settings) -> None:
    command = [sys.executable, "-m", "killreport_assets.cli", "dagster", "instance", "migrate"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode != 0 or _dagster_version(settings) != _dagster_head():
        said = [line for line in ended.stderr.splitlines() if line.strip()] or [f"exit code {ended.returncode}"]
        raise ServerRefuses(f"dagster instance migrate failed: {without_secrets(said[-1])}")

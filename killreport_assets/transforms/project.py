"""The dbt project: its path, its environment variables, its arguments and its manifest. Imports no dagster."""

import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

from filelock import FileLock
from sqlalchemy.engine import URL

from killreport_assets.base.errors import UserError
from killreport_assets.base.files import project_file

PROJECT = project_file("dbt_transforms")
NIGHTLY = "nightly"
"""The tag of models that are built nightly, and of tests that read everything."""
DBT = Path(sys.executable).with_name("dbt")


def target_folder(home: Path) -> Path:
    """The directory of dbt's output, outside the project, which may be read-only."""
    return home / "dbt" / "target"


def dbt_environment(database: URL, home: Path, marts_from: date | None = None) -> dict[str, str]:
    """The environment variables with which profiles.yml connects to the database, and dbt writes to HOME.

    `marts_from`: the first day of the marts; None: all.
    """
    host = database.query.get("host") or database.host or "localhost"
    return {
        "KILLREPORT_DBT_HOST": str(host),
        "KILLREPORT_DBT_PORT": str(database.query.get("port") or database.port or 5432),
        "KILLREPORT_DBT_USER": database.username or "postgres",
        "KILLREPORT_DBT_PASSWORD": database.password or "",
        "KILLREPORT_DBT_DATABASE": database.database or "killreport",
        "KILLREPORT_DBT_MARTS_FROM": str(marts_from or ""),
        "DBT_TARGET_PATH": str(target_folder(home)),
        "DBT_LOG_PATH": str(home / "dbt" / "logs"),
    }


def build_arguments(*, is_nightly: bool) -> list[str]:
    """Arguments for dbt: everything in a nightly build; otherwise frequent models only, testing the days of this build.

    dbt's unit tests are excluded: they test the SQL and not the data, and are for the project's developers.
    """
    build = ["build", "--exclude-resource-type", "unit_test"]
    if is_nightly:
        return build
    return [*build, "--exclude", f"tag:{NIGHTLY}", "--vars", "{tests: changed}"]


def ensure_manifest(database: str, home: Path) -> Path:
    """The project's manifest for a database of this name; parsed again when a file of the project is newer.

    The manifest contains the database name of every relation. Needs no database server.

    Raises:
        UserError: dbt is missing, or the project does not parse; includes dbt's output.
    """
    if not DBT.exists():
        raise UserError("dbt is not installed: pip install 'killreport-assets[dbt]'")
    target = target_folder(home)
    target.mkdir(parents=True, exist_ok=True)
    manifest = target / f"manifest-{database}.json"
    with FileLock(target / "manifest.lock"):  # of several processes that start together, one parses
        if not manifest.exists() or manifest.stat().st_mtime <= max(file.stat().st_mtime for file in _sources()):
            _parse(database, manifest)
    return manifest


def _parse(database: str, manifest: Path) -> None:
    with tempfile.TemporaryDirectory(dir=manifest.parent, prefix="parse-") as target:
        arguments = [str(DBT), "--quiet", "parse", "--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
        environment = os.environ | {
            "KILLREPORT_DBT_DATABASE": database,
            "DBT_TARGET_PATH": target,
            "DBT_LOG_PATH": target,
        }
        parsed = subprocess.run(arguments, capture_output=True, text=True, check=False, env=environment)
        if parsed.returncode:
            raise UserError(f"the dbt project does not parse:\n{parsed.stdout}{parsed.stderr}")
        (Path(target) / "manifest.json").replace(manifest)  # atomic: readers see the old file or the new one


def _sources() -> list[Path]:
    folders = ("models", "macros", "tests", "seeds", "analyses")
    files = [file for folder in folders for file in (PROJECT / folder).rglob("*") if file.is_file()]
    return [*files, PROJECT / "dbt_project.yml", PROJECT / "profiles.yml"]

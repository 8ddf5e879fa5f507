"""Backups: both databases by pg_dump, and a manifest by which a restore can prove that nothing is missing.

A backup is a directory `killreport-TIME` with `killreport/` and `dagster/` (pg_dump's directory format) and
`manifest.json`. It is written under another name first, so that an interrupted one is never mistaken for a whole one.
Keys are never in it: `save_keys`. Restoring is in restore.py.
"""

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from sqlalchemy.engine.url import URL

from killreport_assets import __version__
from killreport_assets.base.errors import ServerRefuses, UserError
from killreport_assets.base.files import held_by_one, replace_file
from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.embedded import program
from killreport_assets.database.engine import DatabaseUrls, database_exists, libpq_arguments, make_engine
from killreport_assets.database.migrate import current_version
from killreport_assets.provision.database import check_for_data
from killreport_assets.provision.readers import WRITTEN_BY_DBT
from killreport_assets.settings import Settings
from killreport_assets.store.schema import tables
from killreport_assets.users.vault import KEY_FILE

PREFIX = "killreport-"
UNFINISHED = ".unfinished-"
MANIFEST = "manifest.json"
JOBS = "2"
KEY_FILES = (KEY_FILE, "reader-password", "web-password")
COUNTED_SCHEMAS = ("raw", "ops")


@dataclass(frozen=True)
class Manifest:
    """What a backup holds: rows by table in the snapshot that was dumped, SHA-256 by file."""

    made_at: str
    killreport: str
    schema_version: str
    origin: str | None
    postgres: str
    has_marts: bool
    rows: Mapping[str, int]
    files: Mapping[str, str]

    @property
    def time(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.made_at)


def back_up(settings: Settings, directory: Path, *, with_marts: bool, say: Callable[[str], None]) -> Path:
    """Back up both databases while everything goes on; returns the new backup.

    Raises:
        NoDatabase: there is nothing to back up.
        Taken: another backup is being made to this directory.
        ServerRefuses: pg_dump failed; its last line is in the text, and nothing is left in the directory.
    """
    urls = check_for_data(settings)
    made_at = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with held_by_one(directory / ".lock", f"another backup to {directory} is being made: let it finish"):
        for left_by_a_killed_one in directory.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left_by_a_killed_one)
        unfinished = directory / f"{UNFINISHED}{secrets.token_hex(4)}"
        unfinished.mkdir(mode=0o700)
        made = directory / f"{PREFIX}{made_at:%Y%m%dT%H%M%SZ}"
        try:
            _write_backup(unfinished, urls, made_at, with_marts, say)
            unfinished.rename(made)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return made


def _write_backup(
    target: Path, urls: DatabaseUrls, made_at: datetime, with_marts: bool, say: Callable[[str], None]
) -> None:
    engine = make_engine(urls.killreport, pool_size=1)
    try:
        rows, version, origin, postgres = _dump_platform(engine, target / "killreport", with_marts, say)
    finally:
        engine.dispose()
    if database_exists(urls.dagster):
        say("dumping Dagster's database: runs and events …")
        _dump(urls.dagster, target / "dagster")
    manifest = Manifest(
        made_at.isoformat(timespec="seconds"),
        __version__,
        version,
        origin,
        postgres,
        with_marts,
        rows,
        checksums(target),
    )
    (target / MANIFEST).write_text(json.dumps(asdict(manifest), indent=1) + "\n")


def _dump_platform(
    engine: Engine, target: Path, with_marts: bool, say: Callable[[str], None]
) -> tuple[dict[str, int], str, str | None, str]:
    """Dump a snapshot, and count what is in that very snapshot."""
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.exec_driver_sql("set transaction read only")
        snapshot = connection.exec_driver_sql("select pg_export_snapshot()").scalar_one()
        version = current_version(connection) or ""
        origin = connection.execute(sa.select(tables.origin.c.origin)).scalar()
        postgres = str(connection.exec_driver_sql("show server_version").scalar_one())
        say("dumping killmails, entities and what is to be done …")
        schemas = [] if with_marts else [f"--exclude-schema={schema}" for schema in WRITTEN_BY_DBT]
        _dump(engine.url, target, f"--snapshot={snapshot}", *schemas)
        say("counting what was dumped …")
        return row_counts(connection), version, origin, postgres


def row_counts(connection: sa.Connection) -> dict[str, int]:
    """The rows of every table of `raw` and `ops`, partitions with their table."""
    names = connection.execute(
        sa.text("""
        select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any(:schemas) and c.relkind in ('r', 'p') and not c.relispartition
            and c.relpersistence = 'p' order by 1
        """),
        {"schemas": list(COUNTED_SCHEMAS)},
    ).scalars()
    return {name: connection.execute(sa.text(f"select count(*) from {name}")).scalar_one() for name in names.all()}


def _dump(url: URL, target: Path, *options: str) -> None:
    run_program("pg_dump", url, "--format=directory", f"--jobs={JOBS}", "--no-owner", f"--file={target}", *options)


def run_program(name: str, url: URL, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on a database.

    Raises:
        ServerRefuses: it failed; the text has what it said last.
    """
    database, variables = libpq_arguments(url)
    command = [str(program(name)), database, *arguments]
    ended = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = [line for line in ended.stderr.splitlines() if line.strip()] or [f"exit code {ended.returncode}"]
        raise ServerRefuses(f"{name} failed: {without_secrets(said[-1])}")


def checksums(backup: Path) -> dict[str, str]:
    """The SHA-256 of every file of a backup but the manifest, by its path in it."""
    files = sorted(path for path in backup.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(backup)): _checksum(path) for path in files}


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def backups(directory: Path) -> list[Path]:
    """The whole backups of a directory, the oldest first."""
    return sorted(path for path in directory.glob(f"{PREFIX}*") if (path / MANIFEST).is_file())


def read_manifest(backup: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        UserError: it is none.
    """
    try:
        content: dict[str, Any] = json.loads((backup / MANIFEST).read_text())
        return Manifest(**content)
    except (OSError, ValueError, TypeError) as unreadable:
        raise UserError(f"{backup} is no backup of KillReport: {MANIFEST}: {unreadable}") from None


def delete_old(directory: Path, keep: int) -> list[Path]:
    """Delete all but the newest backups; returns those that are gone."""
    old = backups(directory)[:-keep]
    for backup in old:
        shutil.rmtree(backup)
    return old


def save_keys(settings: Settings, directory: Path, beside: Path) -> list[Path]:
    """Copy the keys of HOME, and those of KILLREPORT_TOKEN_KEY, to files that only their owner can read.

    Returns the copies. In both cases the keys of users' tokens come to be `token-key`, which a restore brings to HOME.

    Raises:
        UserError: the directory is that of the backups, or inside it.
    """
    if directory.resolve().is_relative_to(beside.resolve()):
        raise UserError("keys beside the backup would open it for its finder: give --keys another place")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = {name: (settings.home / name).read_text() for name in KEY_FILES if (settings.home / name).exists()}
    if (setting := settings.users.token_key) is not None:
        keys[KEY_FILE] = "".join(f"{key.strip()}\n" for key in setting.get_secret_value().split(",") if key.strip())
    for name, content in keys.items():
        replace_file(directory / name, content, mode=0o600)
    return [directory / name for name in keys]

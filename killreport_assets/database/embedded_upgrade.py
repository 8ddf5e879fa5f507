"""Bringing the embedded server's files to a newer major version of PostgreSQL, by pg_upgrade.

The wheel has the programs of both versions. The old files stay beside the new ones until the operator deletes them.
"""

import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database.embedded import HBA, UNFINISHED, EmbeddedPostgres, postgres_wheel

LAST_LINES = 5


def pending_upgrade(home: Path) -> tuple[int, int] | None:
    """The major version of the files in HOME and that of this package; None if they are the same, or there are none."""
    server = EmbeddedPostgres(home)
    target: int = postgres_wheel().TARGET_POSTGRES_VERSION
    found = server.data_version
    return None if found in {None, target} else (int(found or 0), target)


def upgrade_files(home: Path) -> Path:
    """Copy the files of HOME into the newer version's form; returns where the old ones are kept.

    Raises:
        ServerRefuses: the server runs, the files are newer or too old, or pg_upgrade failed; nothing has changed then.
    """
    versions = pending_upgrade(home)
    if versions is None:
        raise ServerRefuses(f"the files in {home} need no upgrade")
    old, new = versions
    kept = home / f"postgres-{old}"
    if old not in postgres_wheel().POSTGRES_VERSIONS:
        raise ServerRefuses(f"the files in {home} are of PostgreSQL {old}, which this package cannot upgrade to {new}")
    if kept.exists():
        raise ServerRefuses(f"{kept}, where the old files are to be kept, is there already: move it elsewhere first")
    server = EmbeddedPostgres(home)
    with server.locked():
        if server.pid is not None:
            raise ServerRefuses("the embedded PostgreSQL runs: stop it first, `killreport down`")
        made = home / f"{UNFINISHED}{secrets.token_hex(4)}"
        made.mkdir()
        try:
            _upgrade_to(made, home, old, new)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        (home / "postgres").rename(kept)
        made.rename(home / "postgres")
    return kept


def _upgrade_to(made: Path, home: Path, old: int, new: int) -> None:
    data = home / "postgres"
    wheel = postgres_wheel()
    old_programs, new_programs = wheel.POSTGRES_VERSIONS[old], wheel.POSTGRES_VERSIONS[new]
    server = wheel.get_server(made, cleanup_mode=None, start=False)
    user = server.system_user
    with tempfile.TemporaryDirectory(prefix="killreport-") as folder:
        if user is not None:
            shutil.chown(folder, user)
        home.chmod(0o700 if user is None else 0o711)
        has_checksums = " 0" not in _line(old_programs, data, user, "Data page checksum version")
        server.pgdata = made
        _initialise(server, made, new_programs, with_checksums=has_checksums)
        _run(
            new_programs / "pg_upgrade",
            *("--old-bindir", old_programs, "--new-bindir", new_programs),
            *("--old-datadir", data, "--new-datadir", made, "--username", "postgres", "--socketdir", folder),
            user=user,
            cwd=folder,
        )
        (made / "pg_hba.conf").write_text(HBA)


def _initialise(server: Any, made: Path, programs: Path, *, with_checksums: bool) -> None:
    if server.system_user is not None:
        shutil.chown(made, server.system_user)
    checksums = "--data-checksums" if with_checksums else "--no-data-checksums"
    options = ("--auth=trust", "--encoding=utf8", "-U", "postgres", checksums, "-D", made)
    _run(programs / "initdb", *options, user=server.system_user, cwd="/")


def _line(programs: Path, data: Path, user: str | None, beginning: str) -> str:
    said = _run(programs / "pg_controldata", data, user=user, cwd="/")
    return next((line for line in said.splitlines() if line.startswith(beginning)), "")


def _run(command: Path, *arguments: object, user: str | None, cwd: str) -> str:
    asked = [str(command), *map(str, arguments)]
    ended = subprocess.run(asked, user=user, cwd=cwd, capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        said = "\n".join((ended.stdout + ended.stderr).strip().splitlines()[-LAST_LINES:])
        raise ServerRefuses(f"{command.name} failed: {said}")
    return ended.stdout

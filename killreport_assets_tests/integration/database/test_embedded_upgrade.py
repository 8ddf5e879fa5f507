"""The embedded server's files come from PostgreSQL 16 to 18, with everything that was in them."""

import subprocess
from pathlib import Path
from typing import Any

import psycopg
import pytest

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database import embedded
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.embedded_upgrade import pending_upgrade, upgrade_files

OLD = 16


@pytest.fixture
def old_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose server was of the older version, and is down."""
    wheel: Any = embedded.postgres_wheel()
    home = tmp_path / "home"
    data = home / "postgres"
    data.mkdir(parents=True)
    server = wheel.get_server(data, cleanup_mode=None, start=False)
    programs = wheel.POSTGRES_VERSIONS[OLD]
    server.bin_path = programs
    server.ensure_pgdata_inited()
    control = [programs / "pg_ctl", "-w", "-D", data]
    user: dict[str, Any] = {"user": server.system_user, "cwd": "/", "check": True, "capture_output": False}
    options = f"-c listen_addresses='' -k {data}"
    for folder in (home, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    subprocess.run([*control, "-o", options, "-l", data / "log", "start"], stdout=subprocess.DEVNULL, **user)
    with psycopg.connect(f"postgresql://postgres@/postgres?host={data}", autocommit=True) as connection:
        assert connection.info.server_version // 10_000 == OLD
        connection.execute("create database killreport")
    with psycopg.connect(f"postgresql://postgres@/killreport?host={data}") as connection:
        connection.execute("create table kept as select generate_series(1, 1000) as number")
    subprocess.run([*control, "-m", "fast", "stop"], stdout=subprocess.DEVNULL, **user)
    server.bin_path = wheel.POSTGRES_VERSIONS[wheel.TARGET_POSTGRES_VERSION]
    return home


def test_the_files_are_upgraded_and_the_old_ones_kept(old_home: Path) -> None:
    server = EmbeddedPostgres(old_home)
    assert pending_upgrade(old_home) == (OLD, 18)
    with pytest.raises(ServerRefuses, match=r"of PostgreSQL 16, .* `killreport upgrade`"):
        server.start()
    kept = upgrade_files(old_home)
    assert pending_upgrade(old_home) is None
    server.start()
    try:
        with psycopg.connect(server.url("killreport", "psycopg").replace("+psycopg", "")) as connection:
            assert connection.info.server_version // 10_000 == 18
            assert connection.execute("select sum(number) from kept").fetchone() == (500_500,)
    finally:
        server.stop()
    assert (kept / "PG_VERSION").read_text().strip() == str(OLD)


def test_what_cannot_be_upgraded_stays_as_it_was(old_home: Path) -> None:
    (old_home / "postgres" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServerRefuses, match="PostgreSQL 12, which this package cannot upgrade"):
        upgrade_files(old_home)
    (old_home / "postgres" / "PG_VERSION").write_text(f"{OLD}\n")
    before = sorted(path.name for path in old_home.iterdir())
    (old_home / "postgres" / "base" / "1").rename(old_home / "postgres" / "base" / "gone")
    with pytest.raises(ServerRefuses, match="pg_upgrade failed"):
        upgrade_files(old_home)
    assert sorted({path.name for path in old_home.iterdir()} - {"postgres.lock"}) == before

"""A process that is killed while it makes or migrates the database: the next start finishes what it began.

One that is stopped holds its locks: who waits for it says so.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import make_engine
from killreport_assets.database.migrate import current_version, head, migrate, writing
from killreport_assets.provision.database import migrated_database
from killreport_assets.settings import load_settings
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.waiting import wait_until

MIGRATES = """
import os, signal, sys
import sqlalchemy as sa
from killreport_assets.provision.database import migrated_database
from killreport_assets.settings import load_settings

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def kill(connection, cursor, statement, *_):
    if sys.argv[1] in statement:
        os.kill(os.getpid(), int(sys.argv[2]))

migrated_database(load_settings())
"""
STARTS = "import sys, pathlib; from killreport_assets.database.embedded import EmbeddedPostgres; "
STARTS += "EmbeddedPostgres(pathlib.Path(sys.argv[1])).start()"
KILLED_AT = {
    "in the first revision": "CREATE TABLE raw.killmails",
    "between two revisions": "UPDATE ops.alembic_version SET version_num='0002'",
    "before it released the lock": "pg_advisory_unlock",
    "between two queues": "pgmq.create",
}
COLUMNS = "select table_schema, table_name, column_name, data_type from information_schema.columns order by 1, 2, 3"


@pytest.fixture
def new_database(databases: Databases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Engine]:
    """An empty database, named in the settings."""
    with databases.named() as name, databases.named() as dagster:
        monkeypatch.setenv("KILLREPORT_DATABASE_URL", databases.url(name))
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(dagster))
        monkeypatch.setenv("KILLREPORT_HOME", str(tmp_path))
        engine = make_engine(make_url(databases.url(name)))
        yield engine
        engine.dispose()


def _rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


@pytest.mark.parametrize("point", KILLED_AT)
def test_the_next_start_finishes_what_a_killed_one_began(new_database: Engine, engine: Engine, point: str) -> None:
    """Two more start at once while the killed one's session may still be there."""
    command = [sys.executable, "-c", MIGRATES]
    killed = subprocess.run(
        [*command, KILLED_AT[point], str(int(signal.SIGKILL))], check=False, timeout=60, capture_output=True, text=True
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    other = subprocess.Popen([*command, "no such statement", "0"])
    migrated_database(load_settings()).dispose()
    assert other.wait(60) == 0
    assert _rows(new_database, "select version_num from ops.alembic_version") == [(head(),)]
    assert migrate(new_database) is False
    assert _rows(new_database, COLUMNS) == _rows(engine, COLUMNS)
    queues = "select queue_name from pgmq.meta order by 1"
    assert _rows(new_database, queues) == _rows(engine, queues)


def test_who_waits_for_a_stopped_migration_says_for_which_process(
    new_database: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    migrate(new_database, "0008")
    command = [sys.executable, "-c", MIGRATES, "SET version_num='0009'", str(int(signal.SIGSTOP))]
    stopped = subprocess.Popen(command)
    try:
        wait_until(lambda: psutil.Process(stopped.pid).status() == psutil.STATUS_STOPPED)
        with ThreadPoolExecutor(2) as pool, caplog.at_level("WARNING"):
            migration, writer = pool.submit(migrate, new_database), pool.submit(_write, new_database)
            for lock in ("MIGRATION", "WRITERS"):
                said = f"waiting for the lock {lock} of PostgreSQL, held by killreport, process {stopped.pid} on "
                wait_until(partial(_has, caplog, said))
            assert not migration.done()
            assert not writer.done()
            stopped.send_signal(signal.SIGCONT)
            assert (migration.result(60), writer.result(60)) == (False, head())
    finally:
        stopped.kill()
        stopped.wait()


def _has(caplog: pytest.LogCaptureFixture, text: str) -> bool:
    return text in caplog.text


def _write(engine: Engine) -> str | None:
    with writing(engine) as connection:
        return current_version(connection)


def test_a_server_that_was_killed_while_its_files_were_made_is_made_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    starting = subprocess.Popen([sys.executable, "-c", STARTS, str(tmp_path)], start_new_session=True)
    try:
        wait_until(lambda: list(tmp_path.glob("postgres*/PG_VERSION")))
    finally:
        os.killpg(starting.pid, signal.SIGKILL)
        starting.wait()
    server.start()
    try:
        with sa.create_engine(server.url("postgres", "psycopg")).connect() as connection:
            assert connection.execute(sa.text("select 1")).scalar() == 1
    finally:
        server.stop()
    assert [path.name for path in tmp_path.glob("postgres*") if path.is_dir()] == ["postgres"]

"""Advisory locks: each is held while everything that does not need it is done."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine, make_url

import killreport_assets
from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock, advisory_lock, try_advisory_lock
from killreport_assets.database.migrate import migrate
from killreport_assets.monitoring.health import check_health
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.workers.names import resolve_names
from killreport_assets_testing import genuine
from killreport_assets_testing.databases import Databases, waiting_for
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until

DEADLINE = 60.0


def _name(lock: Lock) -> str:
    return lock.name


def _actions(platform: Platform) -> dict[str, tuple[Lock | None, Callable[[], object]]]:
    """What is done, and the lock that it waits for."""
    settings, engine = platform.settings, platform.engine

    def build() -> None:
        with advisory_lock(engine, Lock.TRANSFORMS_BUILD):
            pass

    def rotate() -> None:
        with advisory_lock(engine, Lock.KEY_ROTATION):
            pass

    return {
        "connect to the queues": (None, lambda: connect_broker(settings, engine).depth(CHARACTERS.name)),
        "look at the health": (None, lambda: check_health(settings)),
        "worker": (None, lambda: platform.entities("character")),
        "migrate what is migrated": (None, lambda: migrate(engine)),
        "resolve names": (Lock.WRITERS, lambda: resolve_names(engine, platform.esi)),
        "write into a new month": (Lock.PARTITIONS, lambda: ensure_months(engine, [datetime(2031, 1, 1, tzinfo=UTC)])),
        "build the dbt tables": (Lock.TRANSFORMS_BUILD, build),
        "write killmails": (Lock.WRITERS, lambda: write_killmails(engine, genuine.bodies(1), "everef")),
        "rotate the key": (Lock.KEY_ROTATION, rotate),
    }


@pytest.mark.parametrize("lock", Lock, ids=_name)
def test_who_holds_a_lock_holds_up_nothing_else(lock: Lock, platform: Platform) -> None:
    held_up = []
    write_killmails(platform.engine, genuine.bodies(1), "everef")  # makes the partitions of its month
    with ThreadPoolExecutor(8) as pool:
        with advisory_lock(platform.engine, lock):
            for name, (needed, action) in _actions(platform).items():
                future = pool.submit(action)
                if needed is lock:
                    wait_until(lambda: waiting_for(platform.engine, lock))
                    held_up.append(future)
                else:
                    assert future.exception(DEADLINE) is None, name
        for future in held_up:
            future.result(DEADLINE)


def test_names_are_resolved_by_one_process_at_a_time(platform: Platform) -> None:
    with advisory_lock(platform.engine, Lock.NAMES):
        assert resolve_names(platform.engine, platform.esi).stopped_by == "another process resolves names"
    assert resolve_names(platform.engine, platform.esi).stopped_by is None


def test_a_migration_waits_for_another(databases: Databases) -> None:
    with databases.named() as name:
        engine = make_engine(make_url(databases.url(name)))
        with ThreadPoolExecutor(1) as pool:
            with advisory_lock(engine, Lock.MIGRATION):
                migration = pool.submit(migrate, engine)
                wait_until(lambda: waiting_for(engine, Lock.MIGRATION))
            assert migration.result(DEADLINE) is True
        engine.dispose()


def test_a_lock_is_released_after_an_error_and_by_a_session_that_ends(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError), advisory_lock(engine, Lock.NAMES):
        raise ZeroDivisionError
    with advisory_lock(engine, Lock.NAMES) as connection:  # blocks if the lock is still held
        pid = connection.execute(sa.text("select pg_backend_pid()")).scalar_one()
        connection.commit()
        _end_session(engine, pid)
        with try_advisory_lock(engine, Lock.NAMES) as free:
            assert free is not None
        connection.invalidate()


def test_the_connection_that_holds_a_lock_has_no_transaction_open(engine: Engine) -> None:
    with advisory_lock(engine, Lock.NAMES) as connection:
        assert not connection.in_transaction()


def test_every_lock_is_in_the_one_module() -> None:
    package = Path(killreport_assets.__file__).parent
    taking = {path.relative_to(package) for path in package.rglob("*.py") if "pg_advisory" in path.read_text()}
    taking |= {path.relative_to(package) for path in package.rglob("*.py") if "pg_try_advisory" in path.read_text()}
    assert taking == {Path("database/locks.py")}


def test_a_look_at_the_health_creates_nothing(databases: Databases, settings: Settings) -> None:
    with databases.named() as name:
        url = databases.url(name)
        engine = make_engine(make_url(url))
        migrate(engine)
        changed = settings.with_values(database_url=SecretStr(url))
        problems = check_health(changed).problems
        assert "this database has no work queues yet: killreport migrate" in problems
        with engine.connect() as connection:
            assert connection.execute(sa.text("select to_regnamespace('pgmq')")).scalar() is None
        engine.dispose()


def _end_session(engine: Engine, pid: int) -> None:
    running = sa.text("select count(*) from pg_stat_activity where pid = :pid")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("select pg_terminate_backend(:pid)"), {"pid": pid})
        wait_until(lambda: not connection.execute(running, {"pid": pid}).scalar_one())

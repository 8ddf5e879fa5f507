"""Being the only daemon: it leads while its process holds a lock in Dagster's database; others stand by.

Dagster has exactly one daemon: two would start every schedule's run twice. The daemon runs in the process that holds
the lock, so a killed leader leaves no daemon behind, and one that loses the lock ends at once.
"""

import logging
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.redaction import without_secrets
from killreport_assets.base.stopping import Stopped
from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.database.locks import Lock, hold_while_connected
from killreport_assets.database.reconnect import describe_connection_error
from killreport_assets.settings import Settings

POLL_SECONDS = 2.0
LOST_AFTER_SECONDS = 10.0
"""Without an answer for so long the leader ends: the server gives the lock to another after `SERVER_GIVES_UP`."""
SERVER_GIVES_UP = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 2"
LOST = 3
"""The exit code of a leader that has lost its lock: a server failed."""
log = logging.getLogger(__name__)


def dagster_engine(settings: Settings) -> Engine:
    """Connections to Dagster's database."""
    return make_engine(database_urls(settings).dagster, pool_size=1)


def lead(settings: Settings, workspace: Path, say: Callable[[str], None]) -> None:
    """Stand by until no other daemon leads, then run Dagster's daemon until this process is stopped.

    The process must be in Dagster's environment (instance.py). It ends with exit code 3 when the lock is lost.
    """
    connection = _wait_for_lock(dagster_engine(settings), say)
    say("leading: Dagster's daemon runs here")
    threading.Thread(target=_end_without_lock, args=[connection], daemon=True, name="leader").start()
    sys.argv = ["dagster-daemon", "run", "--workspace", str(workspace), "--log-level", "warning"]
    try:
        runpy.run_module("dagster._daemon", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if ended.code in (None, 0):  # Dagster ends so on SIGTERM and Ctrl-C, and for no other reason
            raise Stopped(signal.SIGTERM) from None
        raise
    finally:
        wipe_heartbeats()


def _wait_for_lock(engine: Engine, say: Callable[[str], None]) -> Connection:
    said = ""
    while True:
        try:
            connection = engine.connect()
            connection.exec_driver_sql(SERVER_GIVES_UP)
            connection.commit()
            if hold_while_connected(connection, Lock.DAEMON):
                return connection
            connection.close()
            state = "standing by: another daemon leads"
        except sa.exc.DBAPIError as lost:
            state = f"standing by: {without_secrets(describe_connection_error(lost))}"
        if state != said:
            say(state)
            said = state
        time.sleep(POLL_SECONDS)


def _end_without_lock(connection: Connection) -> None:
    """End this process when the session that holds the lock has ended, or does not answer in time."""
    answered_at = [time.monotonic()]

    def ask() -> None:
        with suppress(sa.exc.SQLAlchemyError):
            while True:
                connection.exec_driver_sql("select 1")
                connection.commit()
                answered_at[0] = time.monotonic()
                time.sleep(POLL_SECONDS / 2)

    asking = threading.Thread(target=ask, daemon=True, name="leader-lock")
    asking.start()
    while asking.is_alive() and time.monotonic() - answered_at[0] < LOST_AFTER_SECONDS:
        asking.join(POLL_SECONDS / 4)
    print("error: the lock of the leading daemon is lost: this one ends; start it again", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(LOST)


def wipe_heartbeats() -> None:
    """Forget the daemon, or Dagster's UI says for minutes that it runs; a database that is down is not started."""
    with suppress(sa.exc.OperationalError, DagsterPostgresException), dg.DagsterInstance.get() as instance:
        instance.wipe_daemon_heartbeats()

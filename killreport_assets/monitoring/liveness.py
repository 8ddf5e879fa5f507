"""Whether one part of a deployment lives, for what starts it again: within three seconds, and nothing else.

Whether the platform is well is in problems.py: most of that no restart mends.
"""

import http.client
import socket

import sqlalchemy as sa
from sqlalchemy.engine.url import URL

from killreport_assets.base.redaction import without_secrets
from killreport_assets.database.engine import DRIVER, reachable_urls
from killreport_assets.database.locks import Lock, is_held
from killreport_assets.settings import Settings

SECONDS = 2.0
PATHS = {"web": "/static/icon.svg", "ui": "/server_info", "metrics": None, "code-server": None}
"""What is asked of each part that listens; None: only whether it accepts connections."""
HEARTBEATS = sa.text("select extract(epoch from now() - min(timestamp) at time zone 'utc') from daemon_heartbeats")


def problem_of(part: str, settings: Settings, port: int | None) -> str | None:
    """Why a part does not live; None if it does. Of a daemon nothing can be said while PostgreSQL is down: None too."""
    if part in PATHS:
        return _problem_of_listener(part, int(port or 0))
    urls = reachable_urls(settings)
    try:
        if part == "daemon":
            return _problem_of_daemon(settings, urls.dagster) if urls is not None else None
        if urls is None:
            return "the embedded PostgreSQL is down"
        _ask(urls.killreport)
    except sa.exc.SQLAlchemyError as failed:
        if part == "daemon":
            return None  # a restart of the daemon does not bring the server back
        return f"the database does not answer: {without_secrets(str(failed).splitlines()[0])}"
    return None


def _problem_of_listener(part: str, port: int) -> str | None:
    path = PATHS[part]
    try:
        if path is None:
            socket.create_connection(("127.0.0.1", port), SECONDS).close()
            return None
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
        connection.request("GET", path, headers={"Host": f"127.0.0.1:{port}"})
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as silent:
        return f"{part} does not answer on port {port}: {silent}"
    # Behind a path of its own the UI has no page at this one: then it is a 404, by a server that lives.
    return f"{part} answers {status}" if status >= 500 else None


def _ask(url: URL) -> None:
    engine = _engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("select 1"))
    engine.dispose()


def _problem_of_daemon(settings: Settings, url: URL) -> str | None:
    """A daemon that stands by lives as long as the leading one does."""
    engine = _engine(url)
    with engine.connect() as connection:
        is_led = is_held(connection, Lock.DAEMON)
        silence = connection.execute(HEARTBEATS).scalar_one() if is_led else None
    engine.dispose()
    if not is_led:
        return "no daemon leads"
    limit = 2 * settings.health.max_daemon_silence
    if silence is not None and silence > limit:
        return f"the leading daemon gave its last sign {silence:,.0f} s ago"
    return None


def _engine(url: URL) -> sa.Engine:
    arguments = {"connect_timeout": int(SECONDS), "options": f"-c statement_timeout={int(SECONDS * 1000)}"}
    return sa.create_engine(url.set(drivername=DRIVER), poolclass=sa.NullPool, connect_args=arguments)

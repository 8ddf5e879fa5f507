"""How commands end: one line and one exit code for each kind of failure, and at once when they are stopped."""

import signal
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest

from killreport_assets.base.network import free_port
from killreport_assets_testing.waiting import wait_until
from killreport_assets_tests.end_to_end.conftest import COMMAND, Home


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "--days", "1"], "--days has no effect without --source live"),
        (["run", "--from-sequence", "5", "--character", "6"], "--from-sequence and --character have no effect"),
        (["run", "--days", "-1"], "greater than or equal to 0"),
        (["dev", "--release-every", "-3"], "--release-every"),
        (["dev", "--release-every", "nan"], "--release-every"),
        (["dev", "--live", "--release-every", "3"], "--release-every has no effect"),
        (["sandbox", "--profile", "peace"], "fights"),
        (["trace", "killmail", "9" * 5000], "ID"),
        (["follow", "character"], "or --list"),
        (["follow", "character", "1", "--list"], "or --list"),
        (["query", "rivals", "--show", "--csv"], "--show"),
        (["query", "--show"], "--show"),
        (["users", "interval", "1", "9" * 5000], "is not an interval"),
        (["nothing"], "No such command"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_happens(home: Home, arguments: list[str], says: str) -> None:
    answer = home.call(*arguments)
    assert (answer.code, answer.is_one_line) == (2, True), answer.stderr
    assert says in answer.stderr
    assert not home.path.exists()


def test_a_misspelt_setting_is_refused(home: Home) -> None:
    answer = home.call("migrate", KILLREPORT_ESI_MAX_RSP="5")
    assert (answer.code, answer.is_one_line) == (2, True)
    assert "do you mean KILLREPORT_ESI_MAX_RPS?" in answer.stderr


@pytest.mark.parametrize("inside", ["", "/home"])
def test_a_home_that_cannot_be_written_is_one_line(home: Home, tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").touch()
    answer = home.call("migrate", KILLREPORT_HOME=f"{tmp_path}/file{inside}")
    assert (answer.code, answer.is_one_line) == (2, True), answer.stderr
    assert "KILLREPORT_HOME" in answer.stderr


@pytest.mark.parametrize("command", [["metrics"], ["sandbox"], ["auth", "serve", "--sandbox"]])
def test_a_taken_port_is_refused_before_anything_starts(home: Home, command: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = home.call(*command, "--port", str(taken.getsockname()[1]))
    assert (answer.code, answer.is_one_line) == (2, True), answer.stderr
    assert "cannot listen on 127.0.0.1, port" in answer.stderr
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        ("alter database killreport set default_transaction_read_only = on", "read-only transaction; this connection"),
        ("alter table ops.followed rename to followed_before", "does not exist; `killreport migrate`"),
    ],
)
def test_what_the_database_refuses_is_one_line(home: Home, break_it: str, says: str) -> None:
    home.call("migrate")
    url = home.database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(break_it)
    answer = home.call("follow", "character", "580797163")
    assert (answer.code, answer.is_one_line) == (3, True), answer.stderr
    assert says in answer.stderr


def test_a_statement_that_takes_too_long_is_one_line(home: Home) -> None:
    home.call("migrate")
    with psycopg.connect(home.database_url) as connection:
        connection.execute("alter database killreport set statement_timeout = '5s'")
        connection.commit()
        connection.execute("lock table ops.followed")
        answer = home.call("follow", "character", "580797163")
    assert (answer.code, answer.is_one_line) == (3, True), answer.stderr
    assert "the server's statement_timeout" in answer.stderr


def test_an_unreachable_service_has_a_code_of_its_own(ready_home: Home) -> None:
    services = ("ESI", "SSO", "ZKILLBOARD", "R2Z2", "EVEREF", "SDE")
    port = free_port()
    urls = {f"KILLREPORT_{name}_URL": f"http://127.0.0.1:{port}/{name}" for name in services}
    answer = ready_home.call("queue", "alliances", **urls)
    assert (answer.code, answer.is_one_line) == (4, True), answer.stderr


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["sql", "metrics", "sandbox"])
def test_a_stopped_command_says_so_and_leaves_nothing(
    ready_home: Home, command: str, number: signal.Signals, code: int
) -> None:
    port = free_port()
    arguments = {
        "sql": ["sql", "select pg_sleep(600)"],
        "metrics": ["metrics", "--port", str(port)],
        "sandbox": ["sandbox", "--port", str(port)],
    }
    process = subprocess.Popen(
        [COMMAND, *arguments[command]],
        env=ready_home.variables({}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with psycopg.connect(ready_home.database_url, autocommit=True) as connection:
        wait_until(lambda: _sleeps(connection) if command == "sql" else _listens(port))
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert (process.returncode, said.startswith("stopped"), said.count("\n")) == (code, True, 1), said
        wait_until(lambda: not _sleeps(connection))


def _sleeps(connection: psycopg.Connection) -> bool:
    query = "select count(*) from pg_stat_activity where query like '%pg_sleep(600)' and state = 'active'"
    found = connection.execute(query).fetchone()
    return found is not None and found[0] > 0


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

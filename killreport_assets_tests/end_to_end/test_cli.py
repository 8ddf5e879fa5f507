"""The commands: help, errors that say what to do, the embedded server, SQL that can only read."""

import json
import os
import socket
import subprocess
from pathlib import Path

import psycopg
import pytest

from killreport_assets.base.network import free_port
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets_tests.end_to_end.conftest import Home

ESCAPE = """do $$ begin
    execute 'reset role';
    execute $x$ copy (select 1) to program 'touch /tmp/killreport-never' $x$;
end $$"""
COMMANDS = (
    "run",
    "dev",
    "up",
    "down",
    "status",
    "migrate",
    "database-url",
    "sql",
    "sandbox",
    "settings",
    "queue",
    "follow",
    "unfollow",
    "dead-letters",
    "trace",
    "metrics",
    "query",
)


def test_help_names_every_command(home: Home) -> None:
    text = home.run("--help").stdout
    assert [command for command in COMMANDS if command not in text] == []
    assert home.call("run", "--help").code == 0


def test_a_wrong_setting_is_one_line(home: Home) -> None:
    answer = home.run("run", KILLREPORT_ESI_MAX_RPS="fast")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: wrong setting: KILLREPORT_ESI_MAX_RPS: ")
    assert "Traceback" not in answer.stderr
    assert not home.path.exists()


def test_a_live_run_wants_a_contact_and_starts_nothing_without(home: Home) -> None:
    answer = home.run("run", "--source", "live")
    assert answer.returncode == 2
    assert "set KILLREPORT_CONTACT" in answer.stderr
    assert not home.path.exists()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"KILLREPORT_DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/killreport"}, "cannot reach PostgreSQL"),
        ({"KILLREPORT_AMQP_URL": "amqp://me:hunter2@127.0.0.1:1/"}, "RabbitMQ at 127.0.0.1:1"),
    ],
)
def test_a_server_that_is_not_there_is_one_line_without_its_password(
    home: Home, settings: dict[str, str], says: str
) -> None:
    answer = home.run("run", **settings)
    assert answer.returncode == 3
    assert says in answer.stderr
    assert "hunter2" not in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


def test_up_status_down(home: Home) -> None:
    assert home.call("status").code == 1
    assert "PostgreSQL is up" in home.call("up").stdout
    assert "PostgreSQL is up" in home.call("up").stdout
    status = home.call("status")
    assert (status.code, "up (embedded" in status.stdout, "killreport migrate" in status.stdout) == (
        1,
        True,
        True,
    )
    home.call("migrate")
    status = home.call("status")
    assert (status.code, "healthy" in status.stdout) == (0, True)
    assert "is down" in home.call("down").stdout
    assert "was not running" in home.call("down").stdout


def test_any_command_that_needs_the_server_starts_it_and_it_stays(home: Home) -> None:
    assert "migrated to version" in home.run("migrate").stdout
    assert "already at version" in home.call("migrate").stdout
    assert "up (embedded" in home.call("status").stdout


def test_the_database_url_is_one_that_psql_takes(ready_home: Home) -> None:
    url = ready_home.call("database-url").stdout.strip()
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from raw.killmails").fetchone() == (0,)
    port = free_port()
    assert f"127.0.0.1:{port}" in ready_home.call("up", "--tcp", str(port)).stdout
    tcp_url = ready_home.call("database-url").stdout.strip()
    assert f"@127.0.0.1:{port}/" in tcp_url
    with psycopg.connect(tcp_url) as connection:
        assert connection.execute("select count(*) from raw.killmails").fetchone() == (0,)


def test_sql_prints_a_table_json_or_csv(ready_home: Home) -> None:
    statement = "select 1 as one, null as nothing, timestamptz '2026-01-01 00:00+00' as time, array['a'] as many"
    assert json.loads(ready_home.call("sql", "--json", statement).stdout) == [
        {"one": 1, "nothing": None, "time": "2026-01-01T00:00:00+00:00", "many": ["a"]}
    ]
    assert ready_home.call("sql", "--csv", statement).stdout.splitlines()[0] == "one,nothing,time,many"
    assert "1 row" in ready_home.call("sql", statement).stdout


@pytest.mark.parametrize(
    "statement",
    [
        "delete from ops.origin",
        "create table public.mine ()",
        "select 1; drop table raw.killmails",
        "commit; drop table raw.killmails",
        "copy (select 1) to program 'touch /tmp/killreport-never'",
        ESCAPE,
        "do $$ begin execute 'set session authorization postgres'; execute 'drop table raw.killmails'; end $$",
        "do $$ begin perform set_config('transaction_read_only', 'off', false); delete from ops.origin; end $$",
        "set role postgres",
        "select pg_read_file('/etc/passwd')",
        "select lo_import('/etc/passwd')",
        "select * from ops.tokens",
        "select * from ops.sign_ins",
    ],
)
def test_sql_only_reads(ready_home: Home, statement: str) -> None:
    refused = ready_home.call("sql", statement)
    assert refused.code == 2
    assert "PostgreSQL: " in refused.stderr
    assert ready_home.sql("select to_regclass('raw.killmails') is not null as there") == [{"there": True}]
    assert not Path("/tmp/killreport-never").exists()


def test_a_wrong_statement_is_said_shortly(ready_home: Home) -> None:
    answer = ready_home.call("sql", "select * from raw.nothing")
    assert (answer.code, "Traceback" in answer.stderr) == (2, False)
    assert 'relation "raw.nothing" does not exist' in answer.stderr


def test_a_taken_port_is_said(home: Home) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = home.call("dev", KILLREPORT_SANDBOX_PORT=str(taken.getsockname()[1]))
    assert answer.code == 2
    assert "KILLREPORT_SANDBOX_PORT" in answer.stderr


def test_settings_are_listed_without_secrets(home: Home) -> None:
    answer = home.call("settings", KILLREPORT_DATABASE_URL="postgresql://me:hunter2@db/killreport")
    assert "KILLREPORT_ESI_MAX_RPS" in answer.stdout
    assert "hunter2" not in answer.stdout


def test_dbt_and_dagster_run_with_everything_filled_in(ready_home: Home) -> None:
    debug = ready_home.run("dbt", "debug")
    assert "All checks passed!" in debug.stdout, debug.stdout
    assert ready_home.run("dagster", "run", "list").returncode == 0


def test_what_is_in_the_home_is_its_owners_alone(home: Home) -> None:
    before = os.umask(0)
    try:
        assert home.run("migrate").returncode == 0
        assert home.run("up", "--tcp", str(free_port())).returncode == 0
        assert home.run("dagster", "instance", "info").returncode == 0
    finally:
        os.umask(before)
    files = [path for path in home.path.rglob("*") if path.is_dir() or path.is_file()]
    assert home.path / "dagster" / "dagster.yaml" in files
    assert [path for path in files if path.stat().st_mode & 0o077] == []
    # Root's server runs as another user, which passes through HOME.
    assert home.path.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)


def test_install_says_in_one_line_what_it_cannot_use() -> None:
    script = Path(__file__).parents[2] / "scripts" / "install.sh"
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": "no-such-python"}
    answer = subprocess.run([script], capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 1
    assert answer.stderr == "error: there is no no-such-python; KillReport needs Python 3.11, 3.12 or 3.13\n"


def test_work_is_queued_followed_traced_and_seen(home: Home) -> None:
    with SandboxProcess() as sandbox:
        home.environment |= sandbox.urls | {"KILLREPORT_ESI_MAX_RPS": "500"}
        assert "found 229, not pending yet 229; published 229" in home.call("queue", "alliances").stdout
        assert "found 229, not pending yet 0; published 0" in home.call("queue", "alliances").stdout
        urgent = home.call("queue", "characters", "--id", "580797163", "--urgent")
        assert "published 1" in urgent.stdout, urgent.stderr
        assert "named 230" in home.call("queue", "scan_killmail_entities").stdout
        unknown = home.call("queue", "users")
        assert (unknown.code, "there is no producer 'users'" in unknown.stderr) == (2, True)
        assert "is now followed" in home.call("follow", "character", "580797163").stdout
        assert "already followed" in home.call("follow", "character", "580797163").stdout
        listed = home.call("follow", "--list").stdout
        assert "580797163" in listed
        assert "Sandbox Pilot 580797163" in listed
        assert "published 1" in home.call("queue", "character_killmails").stdout
        assert "no longer followed" in home.call("unfollow", "character", "580797163").stdout
        assert home.call("unfollow", "character", "580797163").code == 2
        assert home.call("follow").code == 2
        status = json.loads(home.call("status", "--json").stdout)
        assert status["healthy"] is True
        assert status["queues"]["esi_alliance_info_queue"]["ready"] == 229
        assert status["queues"]["esi_character_info_queue"]["ready"] == 1
        traced = home.call("trace", "character", "580797163")
        assert "Sandbox Pilot 580797163: not known yet, pending since" in traced.stdout
        nothing = home.call("trace", "killmail", "1")
        assert (nothing.code, nothing.stderr) == (2, "error: killmail 1 is not stored\n")


def test_dead_letters_are_listed_shown_replayed_and_dropped(ready_home: Home) -> None:
    with psycopg.connect(ready_home.database_url) as connection:
        body = '{"schema": 1, "kind": "character", "id": 580797163}'
        for number, text in enumerate((body, "no message")):
            connection.execute(
                "insert into ops.dead_letters (fingerprint, queue, message_id, body, reason, error, attempts, "
                "first_failed_at) values (%s, 'esi_character_info_queue', %s, %s, 'attempts spent', '500', 8, now())",
                (str(number), f"character:{number}", text),
            )
    listed = ready_home.call("dead-letters", "list")
    assert "attempts spent" in listed.stdout
    ids = [letter["id"] for letter in json.loads(ready_home.call("dead-letters", "list", "--json").stdout)]
    assert sorted(ids) == [1, 2]
    assert '"id": 580797163' in ready_home.call("dead-letters", "show", "1").stdout
    assert ready_home.call("dead-letters", "show", "9").code == 2
    assert ready_home.call("status").code == 1
    assert ready_home.call("dead-letters", "replay").code == 2
    replayed = ready_home.call("dead-letters", "replay", "--all")
    assert (replayed.code, "replayed 1, left 1" in replayed.stdout) == (1, True)
    assert "drop it" in replayed.stdout
    assert "dropped 1" in ready_home.call("dead-letters", "drop", "2").stdout
    assert "no dead letters" in ready_home.call("dead-letters", "list").stdout
    assert "(replayed)" in ready_home.call("dead-letters", "list", "--all").stdout
    assert ready_home.call("status").code == 0

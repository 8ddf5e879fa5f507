"""The embedded server, databases, origins and migrations."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.base.errors import UserError
from killreport_assets.base.network import free_port
from killreport_assets.database.embedded import EmbeddedPostgres
from killreport_assets.database.engine import create_missing_databases, database_urls, make_engine
from killreport_assets.database.migrate import head, migrate
from killreport_assets.provision.database import open_database
from killreport_assets.settings import load_settings
from killreport_assets.store.origin import origin_of, stamp_origin
from killreport_assets.store.schema import users as user_tables
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.waiting import wait_until


def test_the_view_of_users_is_what_user_tables_describes(engine: Engine) -> None:
    query = sa.text("""
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = 'ops.users'::regclass and attnum > 0 order by attnum
    """)
    with engine.connect() as connection:
        columns = {row[0]: row[1] for row in connection.execute(query)}
    described = {c.name: str(c.type.compile(engine.dialect)).lower() for c in user_tables.users.columns}
    assert list(columns.items()) == list(described.items())
    assert not {"owner_hash", "access_token", "refresh_token"} & set(columns)


def test_migrating_twice_changes_nothing(engine: Engine) -> None:
    assert migrate(engine) is False


def test_a_database_of_the_first_release_is_brought_up_with_what_is_in_it(databases: Databases) -> None:
    with databases.named() as name:
        engine = make_engine(make_url(databases.url(name)))
        migrate(engine, "0001")
        with engine.begin() as connection:
            connection.execute(
                sa.text("""
                insert into raw.characters (character_id, name, source)
                values (1, 'caused', 'esi'), (2, 'asked', 'esi');
                insert into ops.enrichments (entity_kind, entity_id, killmail_id, roles, outcome, enriched_at) values
                    ('character', 1, 7, '{victim}', 'stored', '2026-11-01'),
                    ('character', 1, 8, '{victim}', 'stored', '2026-11-02');
                insert into ops.entity_pending (entity_kind, entity_id) values ('character', 3);
                insert into ops.syncs (source, subject, started_at, outcome)
                    values ('zkillboard', 'x', now(), 'complete')
                """)
            )
        assert migrate(engine) is True
        with engine.connect() as connection:
            for table in ("ops.entity_pending where hash is null", "ops.syncs where character_id is null"):
                assert connection.execute(sa.text(f"select count(*) from {table}")).scalar() == 1
        with engine.connect() as connection:
            known = connection.execute(sa.text("select character_id, known_since::date from raw.characters order by 1"))
            assert [(row[0], f"{row[1]}") for row in known] == [(1, "2026-11-01"), (2, "2003-05-06")]
        engine.dispose()


def test_two_processes_may_migrate_at_once(databases: Databases) -> None:
    code = (
        "import sys; from sqlalchemy.engine import make_url; "
        "from killreport_assets.database.engine import make_engine; "
        "from killreport_assets.database.migrate import migrate; print(migrate(make_engine(make_url(sys.argv[1]))))"
    )
    with databases.named() as name:
        command = [sys.executable, "-c", code, databases.url(name)]
        both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        answers = sorted(process.communicate()[0].strip() for process in both)
    assert answers == ["False", "True"]


def test_a_database_of_a_newer_package_is_left_alone(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.alembic_version set version_num = '9999'"))
    with pytest.raises(UserError, match=f"whose schema is 9999, not {head()}: install the newer version"):
        migrate(engine)


def test_an_origin_is_never_changed(engine: Engine) -> None:
    assert origin_of(engine) == "sandbox"
    with pytest.raises(UserError, match=r"KILLREPORT_HOME=\.killreport-live killreport run --source live"):
        stamp_origin(engine, "live")
    assert origin_of(engine) == "sandbox"


def test_live_settings_are_refused_on_a_sandbox_database(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", engine.url.render_as_string(hide_password=False))
    with pytest.raises(UserError, match="never mixed"):
        open_database(load_settings())


def test_missing_databases_are_created(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    with databases.named() as name:
        pass
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", databases.url(name))
    monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(f"{name}_dagster"))
    urls = database_urls(load_settings())
    create_missing_databases(urls)
    create_missing_databases(urls)
    for url in (urls.killreport, urls.dagster):
        with make_engine(url.set(drivername="postgresql+psycopg")).connect() as connection:
            assert connection.execute(sa.text("select current_database()")).scalar() == url.database


def test_an_unreachable_database_is_said_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", f"postgresql://me:hunter2@127.0.0.1:{free_port()}/killreport")
    with pytest.raises(UserError, match="cannot reach PostgreSQL") as error:
        open_database(load_settings())
    assert "hunter2" not in str(error.value)


def test_the_drivers_are_always_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", "postgres://me@db/killreport")
    urls = database_urls(load_settings())
    assert urls.killreport.drivername == "postgresql+psycopg"
    assert urls.dagster.drivername == "postgresql+psycopg2"
    assert urls.dagster.database == "dagster"


def test_two_homes_do_not_disturb_each_other(tmp_path: Path) -> None:
    one, two = EmbeddedPostgres(tmp_path / "one"), EmbeddedPostgres(tmp_path / "two")
    one.start()
    two.start()
    try:
        assert one.pid != two.pid
        with psycopg.connect(one.url("postgres", "psycopg").replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("create table only_here ()")
        one.stop()
        assert not one.is_running()
        with psycopg.connect(two.url("postgres", "psycopg").replace("+psycopg", "")) as connection:
            found = connection.execute("select to_regclass('only_here')").fetchone()
        assert found == (None,)
    finally:
        one.stop()
        two.stop()


def test_it_survives_its_starter_a_kill_and_a_long_path(tmp_path: Path) -> None:
    home = tmp_path / ("long" * 30)
    starting = (
        "import sys; from pathlib import Path; from killreport_assets.database.embedded import EmbeddedPostgres; "
    )
    command = [sys.executable, "-c", starting + "EmbeddedPostgres(Path(sys.argv[1])).start()", str(home)]
    subprocess.run(command, check=True)
    server = EmbeddedPostgres(home)
    try:
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running())
        server.start()
        assert server.pid not in {None, pid}
    finally:
        server.stop()


def test_tcp_is_on_loopback_with_a_password_until_it_is_stopped(tmp_path: Path) -> None:
    server, port = EmbeddedPostgres(tmp_path), free_port()
    server.start()
    try:
        assert server.tcp_url("postgres") is None
        server.start(tcp_port=port)
        url = server.tcp_url("postgres")
        assert url is not None
        with psycopg.connect(url) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(make_url(url).set(password="guessed").render_as_string(hide_password=False))
        assert (tmp_path / "postgres-password").stat().st_mode & 0o077 == 0
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
        server.start()
        assert server.tcp_url("postgres") is None
    finally:
        server.stop()


def test_a_taken_tcp_port_is_refused_and_what_runs_goes_on(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(UserError, match=rf"port {port} is taken"):
            server.start(tcp_port=port)
        assert not server.is_running()
        server.start()
        try:
            pid = server.pid
            with pytest.raises(UserError, match=rf"port {port} is taken"):
                server.start(tcp_port=port)
            assert (server.pid, server.tcp_port) == (pid, None)
        finally:
            server.stop()


def test_clients_of_the_socket_outlive_a_new_tcp_port(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        engine = make_engine(make_url(server.url("postgres", "psycopg")))
        for port in (free_port(), free_port(), None):
            with engine.connect() as connection:
                assert connection.execute(sa.text("select 1")).scalar() == 1
            if port is None:
                server.stop()
            server.start(tcp_port=port)
            assert server.tcp_port == port
        with engine.connect() as connection:
            assert connection.execute(sa.text("select 1")).scalar() == 1
    finally:
        server.stop()


def test_locks_whose_process_id_another_process_has_now_are_stale(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not server.is_running())
        # As after a restart of its container: the files are there, and their process is another program.
        lines[0] = str(os.getppid())
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (tmp_path / "postgres" / name).write_text("\n".join(lines) + "\n")
        server.start()
        assert server.is_running()
    finally:
        server.stop()


def test_data_that_another_machine_uses_is_left_alone(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    try:
        pid_file = tmp_path / "postgres" / "postmaster.pid"
        original = pid_file.read_text()
        pid_file.write_text(original.replace(str(server.pid), str(os.getppid()), 1))  # another container's numbers
        with pytest.raises(UserError, match="another container or machine runs a PostgreSQL"):
            server.start()
        pid_file.write_text(original)
        assert server.is_running()
    finally:
        server.stop()


def test_a_server_whose_databases_have_no_encoding_is_used_all_the_same(databases: Databases, engine: Engine) -> None:
    with databases.named("template0 encoding 'SQL_ASCII' locale 'C'") as name:
        plain = make_engine(make_url(databases.url(name)))
        with plain.connect() as connection:
            assert connection.execute(sa.text("show server_encoding")).scalar_one() == "SQL_ASCII"
        plain.dispose()

"""Backups under load, restored elsewhere: every row is there, and the feed, the queues and the builds go on."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.base.errors import ServerRefuses, Taken, UserError
from killreport_assets.base.files import held_by_one
from killreport_assets.database.engine import make_engine
from killreport_assets.ingest.feed import follow
from killreport_assets.operations.backup import MANIFEST, back_up, backups, delete_old, read_manifest, save_keys
from killreport_assets.operations.restore import check_backup, restore
from killreport_assets.queues.catalogue import TYPES
from killreport_assets.settings import Settings, load_settings
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.store.changed_days import is_build_due
from killreport_assets.store.killmails import write_killmails
from killreport_assets.users.vault import new_key
from killreport_assets.workers.publisher import publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

CHANGED_BY_RESTORING = {
    "ops.entity_pending",
    "ops.changed_days",
    "ops.transform_builds",
    "ops.request_clocks",
    "ops.request_tokens",
    "ops.api_requests",
}


def _say(_line: str) -> None:
    """Say nothing."""


@pytest.fixture
def loaded(platform: Platform, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform with killmails, half of the feed, messages that wait, and an empty database of Dagster."""
    write_killmails(platform.engine, genuine.bodies(150), "everef")
    with databases.named() as dagster:
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(dagster).replace("+psycopg", ""))
        publish_pending(platform.engine, platform.broker)
        _follow(load_settings(), platform.engine, 20)
        yield platform


def _follow(settings: Settings, engine: Engine, entries: int) -> None:
    feed = R2z2Feed(settings, engine)
    follow(feed, engine, start=1 if entries == 20 else None, max_entries=entries)
    feed.close()


@pytest.fixture
def elsewhere(databases: Databases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Another home, with databases that are empty."""
    with databases.named("template0") as own, databases.named("template0") as dagster:
        monkeypatch.setenv("KILLREPORT_HOME", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("KILLREPORT_DATABASE_URL", databases.url(own).replace("+psycopg", ""))
        monkeypatch.setenv("KILLREPORT_DAGSTER_DATABASE_URL", databases.url(dagster).replace("+psycopg", ""))
        yield load_settings()


def _backup(loaded: Platform, tmp_path: Path) -> Path:
    return back_up(load_settings(), tmp_path / "backups", with_marts=True, say=_say)


def _engine(settings: Settings) -> Engine:
    url = settings.database.database_url
    assert url is not None
    return make_engine(make_url(url.get_secret_value()).set(drivername="postgresql+psycopg"))


def _digests(engine: Engine, tables: list[str]) -> dict[str, str]:
    with engine.connect() as connection:
        return {
            table: connection.execute(
                sa.text(f"select md5(coalesce(string_agg(md5(t::text), '' order by md5(t::text)), '')) from {table} t")
            ).scalar_one()
            for table in tables
        }


@pytest.fixture
def restored(
    loaded: Platform, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Platform, Engine, dict[str, str]]]:
    """The platform, the engine of its restored copy, and digests of what was backed up."""
    made = _backup(loaded, tmp_path)
    tables = sorted(set(read_manifest(made).rows) - CHANGED_BY_RESTORING)
    digests = _digests(loaded.engine, tables)
    settings: Settings = request.getfixturevalue("elsewhere")
    restore(settings, made, None, _say)
    engine = _engine(settings)
    yield loaded, engine, digests
    engine.dispose()


def test_every_table_is_equal_and_the_feed_goes_on(
    restored: tuple[Platform, Engine, dict[str, str]], sandbox: Sandbox
) -> None:
    loaded, engine, digests = restored
    assert len(digests) > 40
    assert _digests(engine, list(digests)) == digests
    assert is_build_due(engine, "frequent")
    for target in (loaded.engine, engine):
        _follow(loaded.settings, target, 5_000)
    after = ["raw.killmail_attackers", "raw.killmail_items"]
    assert _digests(engine, after) == _digests(loaded.engine, after)
    cursors = "select next_sequence from ops.feed_cursors"
    with engine.connect() as connection:
        assert connection.execute(sa.text(cursors)).scalar_one() == loaded.scalar(cursors)


def test_messages_that_a_worker_of_the_other_server_held_are_delivered_here(
    loaded: Platform, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    waiting = loaded.scalar(f"select count(*) from pgmq.q_{TYPES.name}")
    assert waiting > 0
    loaded.execute(f"update pgmq.q_{TYPES.name} set read_ct = 1, vt = now() + interval '1 hour'")
    loaded.execute("update ops.entity_pending set claimed_by = 7, claimed_at = now() where entity_kind = 'character'")
    made = _backup(loaded, tmp_path)
    settings: Settings = request.getfixturevalue("elsewhere")
    restore(settings, made, None, _say)
    engine = _engine(settings)
    try:
        there = Platform(loaded.settings, engine)
        assert there.scalar(f"select count(*) from pgmq.q_{TYPES.name} where vt <= now()") == waiting
        assert there.scalar("select count(*) from ops.entity_pending where claimed_by is not null") == 0
        report = there.entities("type")
        assert report.outcomes["stored"] + report.outcomes["unchanged"] + report.outcomes["gone"] >= waiting
        there.close()
    finally:
        engine.dispose()


def test_a_backup_under_load_is_that_of_one_moment(
    loaded: Platform, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_over = threading.Event()
    rounds = []

    def write() -> None:
        for body in genuine.bodies()[150:]:
            if is_over.is_set():
                return
            write_killmails(loaded.engine, [body], "esi")
            rounds.append(body)

    writing = threading.Thread(target=write)
    writing.start()
    wait_until(lambda: len(rounds) > 3)
    made = _backup(loaded, tmp_path)
    is_over.set()
    writing.join()
    settings: Settings = request.getfixturevalue("elsewhere")
    manifest = restore(settings, made, None, _say)  # it compares every count
    assert manifest.rows["raw.killmails"] >= 150


def test_a_backup_that_is_not_whole_is_refused(loaded: Platform, tmp_path: Path) -> None:
    made = _backup(loaded, tmp_path)
    check_backup(made)
    dump = next((made / "killreport").glob("*.gz"))
    content = dump.read_bytes()
    dump.write_bytes(content[:-1])
    with pytest.raises(UserError, match="is damaged: killreport/"):
        check_backup(made)
    dump.write_bytes(content)
    manifest = json.loads((made / MANIFEST).read_text())
    (made / MANIFEST).write_text(json.dumps(manifest | {"schema_version": "9999"}))
    with pytest.raises(ServerRefuses, match="older than the backup"):
        check_backup(made)
    (made / MANIFEST).unlink()
    with pytest.raises(UserError, match="is no backup"):
        check_backup(made)


def test_a_home_with_data_is_not_restored_into(loaded: Platform, tmp_path: Path) -> None:
    made = _backup(loaded, tmp_path)
    before = loaded.scalar("select count(*) from raw.killmails")
    with pytest.raises(UserError, match="restore into an empty one"):
        restore(load_settings(), made, None, _say)
    assert loaded.scalar("select count(*) from raw.killmails") == before


def test_old_backups_go_and_an_unfinished_one_is_none(tmp_path: Path) -> None:
    for day in range(5):
        folder = tmp_path / f"killreport-2026010{day}T000000Z"
        folder.mkdir()
        (folder / MANIFEST).write_text("{}")
    (tmp_path / "killreport-20260109T000000Z").mkdir()
    assert len(delete_old(tmp_path, 2)) == 3
    assert [path.name for path in backups(tmp_path)] == ["killreport-20260103T000000Z", "killreport-20260104T000000Z"]


def test_keys_are_apart(settings: Settings, tmp_path: Path) -> None:
    (settings.home / "token-key").write_text("secret")
    with pytest.raises(UserError, match="another place"):
        save_keys(settings, tmp_path / "backups" / "keys", tmp_path / "backups")
    [saved] = save_keys(settings, tmp_path / "keys", tmp_path / "backups")
    assert (saved.read_text(), saved.stat().st_mode & 0o777) == ("secret", 0o600)


def test_the_commands_say_where_and_what(
    loaded: Platform, tmp_path: Path, command: Command, request: pytest.FixtureRequest
) -> None:
    answer = command("backup", str(tmp_path / "b"), "--keep", "1", "--without-marts")
    path = answer.stdout.splitlines()[-1]
    assert (answer.code, Path(path, MANIFEST).is_file()) == (0, True), answer.stderr
    assert "150 killmails" in answer.stdout or "killmails;" in answer.stdout
    checked = command("restore", "--check", path)
    assert (checked.code, checked.stdout.startswith("whole: made at")) == (0, True), checked.stderr
    request.getfixturevalue("elsewhere")
    done = command("restore", path)
    assert (done.code, "restored: made at" in done.stdout) == (0, True), done.stderr
    assert command("restore", path).code == 2
    shutil.rmtree(path)
    assert command("restore", "--check", path).is_one_line


def test_keys_of_the_setting_are_saved_as_a_home_has_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [new_key(), new_key()]
    monkeypatch.setenv("KILLREPORT_TOKEN_KEY", " , ".join(keys))
    [saved] = save_keys(load_settings(), tmp_path / "keys", tmp_path / "backups")
    assert (saved.name, saved.read_text().split()) == ("token-key", keys)


def test_one_backup_at_a_time_clears_up_after_a_killed_one(loaded: Platform, tmp_path: Path) -> None:
    (tmp_path / "backups" / ".unfinished-1234" / "killreport").mkdir(parents=True)
    with held_by_one(tmp_path / "backups" / ".lock", ""), pytest.raises(Taken, match="let it finish"):
        _backup(loaded, tmp_path)
    made = _backup(loaded, tmp_path)
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == [".lock", made.name]


def test_a_restore_that_failed_leaves_nothing_that_looks_whole(
    loaded: Platform, tmp_path: Path, request: pytest.FixtureRequest, command: Command
) -> None:
    made = _backup(loaded, tmp_path)
    manifest = json.loads((made / MANIFEST).read_text())
    rows = manifest["rows"] | {"raw.killmails": 7}
    (made / MANIFEST).write_text(json.dumps(manifest | {"rows": rows}))
    settings: Settings = request.getfixturevalue("elsewhere")
    with pytest.raises(ServerRefuses, match="differs from the backup"):
        restore(settings, made, None, _say)
    for refused in (command("status"), command("sql", "select 1"), command("migrate")):
        said = " ".join((refused.stdout + refused.stderr).split())
        assert (refused.code != 0, "a restore did not end" in said) == (True, True), refused

"""The lake of genuine killmails: whole at every moment, only what changed is written, and the way back is equal."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.parquet
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from killreport_assets.base.errors import UserError
from killreport_assets.database.engine import make_engine
from killreport_assets.lake.catalogue import LakeCatalogue
from killreport_assets.lake.datasets import FACTS
from killreport_assets.lake.export import LakeExport, LakeReport
from killreport_assets.lake.keep import after_export
from killreport_assets.lake.load import LakeLoader
from killreport_assets.lake.manifest import LakeDataset, Manifest, read_datasets, read_manifest
from killreport_assets.lake.publish import publish
from killreport_assets.lake.query import run_query
from killreport_assets.lake.storage import LakeStorage
from killreport_assets.lake.verify import verify
from killreport_assets.orchestration.build import build_defs
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings
from killreport_assets.store.changed_days import forget_built
from killreport_assets.store.entities import upsert
from killreport_assets.store.history import record_totals
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.market import write_market_day
from killreport_assets.store.schema import tables
from killreport_assets_testing import genuine
from killreport_assets_testing.command import Command
from killreport_assets_testing.databases import TEMPLATE, Databases
from killreport_assets_testing.warehouse import load_static

WORLD = World()
DAYS = sorted({killmail.day for killmail in WORLD.killmails.values()})[::5]
"""Some days are enough: the test of the main job exports all of them, with every mart."""
BODIES = [body for body in genuine.bodies() if date.fromisoformat(str(body.body["killmail_time"])[:10]) in DAYS]
IDS = {body.killmail_id for body in BODIES}
ODD_NAME = 'a "quoted", comma, new\nline, \\ backslash and ünïcode {brace}'
MART = """
    create schema if not exists marts;
    create table marts.mart_made (
        killmail_date date, entity_id bigint, entity_name text, isk numeric(24, 2), share float8,
        ids bigint[], at timestamptz, is_odd boolean);
    comment on table marts.mart_made is 'Made for a test';
    comment on column marts.mart_made.isk is 'ISK to the cent';
    insert into marts.mart_made values
        ('2024-02-29', 1, '', 1234567890123456789012.34, 0.1, '{1,null,3}', '2024-02-29 23:59:59.123456+00', true),
        ('2024-03-01', 2, null, -0.01, null, null, null, false)
"""
KILLED = """
import os, signal, sys
from sqlalchemy import make_url
from killreport_assets.database.engine import make_engine
from killreport_assets.lake import export
from killreport_assets.lake.storage import LakeStorage

where, after = sys.argv[3], int(sys.argv[4])
calls = 0

def deadly(inner):
    def call(*arguments):
        global calls
        calls += 1
        if calls == after:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*arguments)
    return call

setattr(*((LakeStorage, "put") if where == "put" else (export, where)), deadly(
    getattr(*((LakeStorage, "put") if where == "put" else (export, where)))))
export.SECONDS_BETWEEN_MANIFESTS = 0.2
export.LakeExport(make_engine(make_url(sys.argv[1])), LakeStorage(sys.argv[2])).run()
"""


@pytest.fixture
def storage(tmp_path: Path) -> LakeStorage:
    """An empty lake."""
    return LakeStorage(str(tmp_path / "lake"))


@pytest.fixture(scope="module")
def template(databases: Databases) -> Iterator[str]:
    """A database with genuine killmails, their static data, some prices, and a mart."""
    with databases.named(TEMPLATE) as name:
        engine = make_engine(make_url(databases.url(name)))
        _fill(engine)
        engine.dispose()
        yield name


@pytest.fixture
def engine(databases: Databases, template: str) -> Iterator[Engine]:
    """A copy of that database."""
    with databases.named(template) as name:
        engine = make_engine(make_url(databases.url(name)))
        yield engine
        engine.dispose()


def _fill(engine: Engine) -> None:
    with engine.begin() as connection:
        load_static(connection, WORLD)
        upsert(connection, tables.types, [row | {"source": "sde"} for row in WORLD.static["types"]])
        connection.execute(tables.entity_names.insert(), {"entity_kind": "character", "entity_id": 7, "name": ODD_NAME})
        connection.exec_driver_sql(MART)
    write_market_day(engine, date(2018, 1, 1), [_price(type_id) for type_id in (34, 35)])
    write_killmails(engine, BODIES, "everef")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into raw.zkillboard_values (killmail_id, observed_at, labels, total_value) "
            "select killmail_id, now(), array['pvp', 'loc:\"null\", sec'], 1.5 from raw.killmails "
            "where mod(killmail_id, 2) = 0"
        )


def _price(type_id: int) -> dict[str, Any]:
    price = {name: Decimal("1.25") for name in ("average", "highest", "lowest")}
    return {
        "date": date(2018, 1, 1),
        "region_id": 10_000_002,
        "type_id": type_id,
        "volume": 5,
        "order_count": 1,
    } | price


def _export(engine: Engine, storage: LakeStorage, **options: Any) -> LakeReport:
    return LakeExport(engine, storage, **options).run()


def _lake(storage: LakeStorage) -> tuple[Manifest, dict[str, LakeDataset]]:
    manifest = read_manifest(storage)
    assert manifest is not None
    return manifest, read_datasets(storage, manifest)


def _same(engine: Engine, storage: LakeStorage) -> None:
    """Every dataset has PostgreSQL's rows, read by another program than the one that wrote them."""
    _, datasets = _lake(storage)
    assert verify(storage).problems == []
    for name, dataset in datasets.items():
        relation = FACTS[name].fullname if name in FACTS else f"{dataset.schema_name}.{name}"
        columns = [c for c in dataset.columns if not (dataset.schema_name == "raw" and c.name == "killmail_date")]
        names = ", ".join(f'"{column.name}"' for column in columns)
        view = f"marts.{name}" if dataset.schema_name == "marts" else name
        with engine.connect() as connection:
            stored = sorted(
                map(repr, (tuple(row) for row in connection.execute(sa.text(f"select {names} from {relation}"))))
            )
        read = sorted(map(repr, run_query(storage, f"select {names} from {view}")[1])) if dataset.files else []
        assert _comparable(read) == _comparable(stored), name


def _comparable(rows: list[str]) -> list[str]:
    return sorted(
        row.replace("tzinfo=<UTC>", "tz")
        .replace("tzinfo=zoneinfo.ZoneInfo(key='UTC')", "tz")
        .replace("tzinfo=datetime.timezone.utc", "tz")
        .replace("tzinfo=zoneinfo.ZoneInfo(key='Etc/UTC')", "tz")
        for row in rows
    )


def test_the_files_have_the_rows_their_meaning_their_order_and_statistics(engine: Engine, storage: LakeStorage) -> None:
    report = _export(engine, storage)
    manifest, datasets = _lake(storage)
    assert (report.days, report.days_left, manifest.coverage.killmails) == (len(DAYS), 0, len(BODIES))
    assert (manifest.coverage.first_day, manifest.coverage.last_day) == (DAYS[0], DAYS[-1])
    assert {file.part for file in datasets["items"].files} <= {f"{day}" for day in DAYS}
    assert {file.part for file in datasets["mart_made"].files} == {"2024-02", "2024-03"}
    file = max(datasets["attackers"].files, key=lambda one: one.rows)
    read = pyarrow.parquet.ParquetFile(storage.uri(file.path))
    assert read.schema_arrow.metadata[b"description"].decode() == tables.killmail_attackers.comment
    assert (
        read.schema_arrow.field("final_blow").metadata[b"doc"].decode()
        == tables.killmail_attackers.c.final_blow.comment
    )
    assert read.schema_arrow.metadata[b"killreport.schema_revision"].decode() == manifest.schema_revision
    group = read.metadata.row_group(0)
    sorted_by = [group.column(column.column_index).path_in_schema for column in group.sorting_columns]
    assert sorted_by == ["killmail_id", "attacker_index", "killmail_time"]
    assert group.column(0).statistics.has_min_max
    ids = read.read().column("killmail_id").to_pylist()
    assert ids == sorted(ids)
    assert len(ids) > 1
    _same(engine, storage)


def test_what_did_not_change_is_not_written_again(engine: Engine, storage: LakeStorage) -> None:
    _export(engine, storage)
    again = _export(engine, storage)
    assert (again.days, again.files_written) == (0, 0)
    before = {file.path for dataset in _lake(storage)[1].values() for file in dataset.files}
    late = BODIES[0]
    day = date.fromisoformat(str(late.body["killmail_time"])[:10])
    with engine.begin() as connection:
        for table in FACTS.values():
            connection.execute(sa.delete(table).where(table.c.killmail_id == late.killmail_id))
        connection.execute(
            sa.text(
                "insert into ops.changed_days (killmail_date, changed_in) values (:day, cast(cast(pg_current_xact_id() "
                "as text) as bigint))"
            ),
            {"day": day},
        )
    assert _export(engine, storage).days == 1
    _same(engine, storage)
    write_killmails(engine, [late], "everef")
    changed = _export(engine, storage)
    written = {file.path for dataset in _lake(storage)[1].values() for file in dataset.files} - before
    assert changed.days == 1
    assert all(f"{day}" in path for path in written)
    _same(engine, storage)
    full = _export(engine, storage, is_full=True)
    assert (full.days, full.files_written) == (len(DAYS), 0)


def test_changes_are_kept_until_the_lake_has_them(engine: Engine, storage: LakeStorage) -> None:
    _export(engine, storage)
    built = "insert into ops.transform_builds (cadence, snapshot, as_of) values (:cadence, :snapshot, now())"
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from ops.changed_days")
        connection.exec_driver_sql(
            f"insert into ops.changed_days values ('{DAYS[0]}', cast(cast(pg_current_xact_id() as text) as bigint))"
        )
    with engine.begin() as connection:
        snapshot = connection.exec_driver_sql("select cast(pg_current_snapshot() as text)").scalar_one()
        for cadence in ("frequent", "nightly"):
            connection.execute(sa.text(built), {"cadence": cadence, "snapshot": snapshot})
    assert forget_built(engine) == 0
    assert _export(engine, storage).days == 1
    assert forget_built(engine) == 1
    assert _export(engine, storage).days == 0


@pytest.mark.parametrize(
    ("where", "after"),
    [
        ("put", 1),
        ("put", 60),
        ("write_dataset", 3),
        ("write_manifest", 1),
        ("write_manifest", 2),
        ("note_exported", 1),
    ],
)
def test_a_killed_export_leaves_a_whole_lake_and_the_next_one_goes_on(
    engine: Engine, storage: LakeStorage, where: str, after: int
) -> None:
    url = engine.url.render_as_string(hide_password=False)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url, storage.url, where, str(after)],
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    manifest = read_manifest(storage)
    if manifest is not None:
        assert verify(storage).problems == []
        assert set(manifest.days_left) < set(DAYS)
    _export(engine, storage)
    assert _lake(storage)[0].days_left == []
    _same(engine, storage)


@pytest.mark.parametrize("after", [1, 2])
def test_an_increment_that_is_killed_leaves_no_mart_behind(engine: Engine, storage: LakeStorage, after: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"insert into marts.mart_made (killmail_date, entity_name) values ('{DAYS[0]}', 'early')"
        )
    _export(engine, storage)
    with engine.begin() as connection:
        connection.exec_driver_sql("update marts.mart_made set entity_name = 'late' where entity_name = 'early'")
        connection.exec_driver_sql(
            f"insert into ops.changed_days values ('{DAYS[0]}', cast(cast(pg_current_xact_id() as text) as bigint))"
        )
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, storage.url, "write_manifest", str(after)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    _export(engine, storage)
    assert _lake(storage)[0].marts_left == []
    _same(engine, storage)


def test_another_platforms_lake_is_not_written_over(engine: Engine, storage: LakeStorage, databases: Databases) -> None:
    _export(engine, storage)
    with databases.fresh() as other:
        with pytest.raises(UserError, match="another platform"):
            _export(other, storage)
        assert _export(other, storage, is_full=True).rows == 0
    with pytest.raises(UserError, match="another platform"):
        _export(engine, storage)


def test_how_whole_it_is_stands_in_the_manifest(engine: Engine, storage: LakeStorage) -> None:
    with engine.begin() as connection:
        record_totals(connection, "everef", {DAYS[0]: 1_000, date(2019, 9, 9): 3})
    _export(engine, storage)
    coverage = _lake(storage)[0].coverage
    assert coverage.incomplete_days == 2
    first = sum(str(body.body["killmail_time"])[:10] == f"{DAYS[0]}" for body in BODIES)
    assert coverage.killmails_known_to_exist == len(BODIES) - first + 1_003


def test_iceberg_has_the_same_rows_and_those_of_before(engine: Engine, storage: LakeStorage) -> None:
    _export(engine, storage)
    assert after_export(engine, storage, timedelta(days=1)).tables > 10
    assert after_export(engine, storage, timedelta(days=1)).tables == 0
    late = next(body for body in BODIES if body.killmail_id and body.killmail_id % 2)  # zKillboard's lack it
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.killmails).where(tables.killmails.c.killmail_id == late.killmail_id))
        connection.exec_driver_sql(
            f"insert into ops.changed_days values ('{str(late.body['killmail_time'])[:10]}', "
            "cast(cast(pg_current_xact_id() as text) as bigint))"
        )
    _export(engine, storage)
    kept = after_export(engine, storage, timedelta(days=1))
    assert (kept.tables, kept.deleted) == (1, 0)
    with closing(LakeCatalogue(engine, storage)) as catalogue:
        table = catalogue.table("raw.killmails")
        newest = set(table.scan().to_arrow().column("killmail_id").to_pylist())
        assert newest == IDS - {late.killmail_id}
        before = table.snapshots()[0].snapshot_id
        assert set(table.scan(snapshot_id=before).to_arrow().column("killmail_id").to_pylist()) == IDS
        assert table.schema().find_field("moon_id").doc == tables.killmails.c.moon_id.comment
    assert after_export(engine, storage, timedelta(days=-1)).deleted >= 1
    with closing(LakeCatalogue(engine, storage)) as catalogue:
        assert len(catalogue.table("raw.killmails").snapshots()) == 1
    _same(engine, storage)


def test_two_platforms_end_equal(engine: Engine, storage: LakeStorage, databases: Databases) -> None:
    _export(engine, storage)
    with databases.fresh() as other:
        stored = write_killmails(other, BODIES[:3], "esi")  # what is there stays
        assert len(stored.stored) == 3
        loaded = LakeLoader(other, storage).load(DAYS[::-1])
        assert (loaded["days read"], loaded["stored"]) == (len(DAYS), len(BODIES) - 3)
        again = LakeLoader(other, storage).load(DAYS)
        assert (again["stored"], again["rows of dimensions and prices"]) == (0, 0)
        for name, dataset in _lake(storage)[1].items():
            if dataset.schema_name == "raw":
                own = ("stored_at", "known_since", "killmail_date", *(("source",) if name == "killmails" else ()))
                names = ", ".join(f'"{c.name}"' for c in dataset.columns if c.name not in own)
                relation = FACTS[name].fullname if name in FACTS else f"raw.{name}"
                where = " where killmail_id <> all(:ids)" if name == "zkillboard_values" else ""
                query = sa.text(
                    f"select md5(string_agg(md5(cast(t as text)), '' order by md5(cast(t as text)))) from "
                    f"(select {names} from {relation}{where}) t"
                )
                ids = {"ids": stored.stored} if where else {}
                digests = []
                for platform in (engine, other):
                    with platform.connect() as connection:
                        digests.append(connection.execute(query, ids).scalar())
                assert digests[0] == digests[1], name
        with other.connect() as connection:
            marked = connection.exec_driver_sql(
                "select count(distinct killmail_date) from ops.changed_days"
            ).scalar_one()
            unknown = connection.exec_driver_sql(
                "select count(*) from ops.entity_pending where entity_kind = 'character'"
            ).scalar_one()
        assert marked == len(DAYS)
        assert unknown > 20  # the lake's characters are none: they are requested as after any load


def test_a_statement_sees_the_lake_and_no_other_file(engine: Engine, storage: LakeStorage, tmp_path: Path) -> None:
    _export(engine, storage)
    secret = tmp_path / "secret.csv"
    secret.write_text("token\n1\n")
    assert run_query(storage, "select count(*) from killmails")[1] == [(len(BODIES),)]
    for statement in (
        f"select * from read_csv('{secret}')",
        f"copy (select 1) to '{tmp_path / 'written.csv'}'",
        "set enable_external_access = true",
        "select * from no_such_table",
    ):
        with pytest.raises(UserError, match="DuckDB"):
            run_query(storage, statement)


def test_a_public_copy_says_what_it_is_and_follows_the_lake(
    engine: Engine, storage: LakeStorage, tmp_path: Path
) -> None:
    _export(engine, storage)
    copy = tmp_path / "public"
    assert publish(storage, copy) > len(DAYS)
    assert publish(storage, copy) == 0
    checked = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=copy, check=False)
    assert checked.returncode == 0
    page = (copy / "index.html").read_text()
    assert "EVE Developer License Agreement" in page
    assert "ISK to the cent" in page
    listed = json.loads((copy / json.loads((copy / "manifest.json").read_text())["datasets"]["killmails"]).read_text())
    files = [str(copy / file["path"]) for file in listed["files"]]
    counted = duckdb.connect().execute(f"select count(*) from read_parquet({files!r})").fetchall()
    assert counted == [(len(BODIES),)]
    with engine.begin() as connection:
        connection.exec_driver_sql("update raw.types set name = 'renamed' where type_id = 34")
    _export(engine, storage)
    assert publish(storage, copy) == 1
    assert len([*copy.glob("raw/types/*.parquet")]) == 1
    with pytest.raises(UserError, match="not empty"):
        publish(storage, tmp_path)


def test_an_object_store_is_a_url(engine: Engine) -> None:
    storage = LakeStorage("memory://bucket/lake")
    _export(engine, storage)
    assert verify(storage).problems == []
    assert run_query(storage, "select count(*) from items")[1] == [
        (sum(dataset.rows for name, dataset in _lake(storage)[1].items() if name == "items"),)
    ]
    storage.delete(_lake(storage)[1]["items"].files[0].path)
    storage.write(_lake(storage)[1]["killmails"].files[0].path, b"broken")
    assert len(verify(storage).problems) == 2


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"format": 1}'])
def test_what_is_no_manifest_is_said(storage: LakeStorage, content: bytes) -> None:
    storage.write("manifest.json", content)
    with pytest.raises(UserError, match="is no manifest"):
        read_manifest(storage)


def test_the_commands_export_show_and_ask(engine: Engine, settings: Settings, command: Command) -> None:
    assert "lake export" in command("lake", "status").stderr
    exported = command("lake", "export")
    assert (exported.code, f"{len(DAYS)} days read" in exported.stdout) == (0, True), exported
    shown = json.loads(command("lake", "status", "--json").stdout)
    assert (shown["changed_days"], shown["datasets"]["killmails"]["rows"]) == (0, len(BODIES))
    assert "0 days have changed since" in command("lake", "status").stdout
    assert command("lake", "verify").code == 0
    asked = command("lake", "sql", "--csv", "select count(*) as killmails from killmails")
    assert asked.stdout.splitlines() == ["killmails", str(len(BODIES))]
    wrong = command("lake", "sql", "select nothing from nowhere")
    assert (wrong.code, wrong.is_one_line) == (2, True)


def test_the_job_writes_the_lake(engine: Engine, settings: Settings, instance: dg.DagsterInstance) -> None:
    job = build_defs(settings).resolve_job_def("export_lake")
    quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(run_config=quiet, instance=instance)
    keys = {event.asset_key for event in result.get_asset_materialization_events()}
    assert {dg.AssetKey(["lake", name]) for name in ("killmails", "attackers", "items", "types")} <= keys
    [event] = [
        event
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(["lake", "killmails"])
    ]
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["dagster/row_count"].value == len(BODIES)

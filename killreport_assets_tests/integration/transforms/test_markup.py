"""Markup in names: it reaches neither dbt's documentation nor the lines of what says why a build failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from killreport_assets.sandbox.world import World
from killreport_assets.store.killmails import write_killmails
from killreport_assets.transforms.failures import describe_failures
from killreport_assets.transforms.project import target_folder
from killreport_assets_testing import genuine
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import Warehouse, load_static

EVIL = "evil<script>alert(1)</script>|`x`\n[y](javascript:alert(2))\x1b[2J"
SIGNS = ("evil<script>", "javascript:alert", "alert(1)")


@pytest.fixture(scope="module")
def warehouse(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A database in which everything has such a name."""
    with databases.fresh() as engine:
        with engine.begin() as connection:
            load_static(connection, World())
        write_killmails(engine, genuine.bodies(5), "everef")
        with engine.begin() as connection:
            for kind in ("alliance", "corporation", "character", "type"):
                connection.execute(
                    sa.text(
                        f"insert into raw.{kind}s ({kind}_id, name, source) "
                        f"select distinct entity_id, :name, 'esi' from ops.entity_pending where entity_kind = '{kind}'"
                    ),
                    {"name": EVIL},
                )
            for table in ("groups", "systems", "regions"):
                connection.execute(sa.text(f"update raw.{table} set name = :name"), {"name": EVIL})
        yield Warehouse(engine, tmp_path_factory.mktemp("dbt"))


def test_dbts_documentation_has_no_name_of_the_data(warehouse: Warehouse) -> None:
    warehouse.build(is_tested=False)
    assert EVIL in {name for (name,) in warehouse.rows("select type_name from marts.dim_types")}
    warehouse.dbt("docs", "generate", "--static")
    target = _target(warehouse)
    page = (target / "static_index.html").read_text()
    assert "mart_ship_type_all_time" in page
    for file in (*target.glob("*.html"), *target.glob("*.json")):
        assert not [sign for sign in SIGNS if sign in file.read_text()], file.name


def test_no_description_ends_the_script_that_it_is_in(warehouse: Warehouse) -> None:
    """Dbt writes them into a script of its page as they are."""
    warehouse.dbt("parse")
    assert "</script" not in (_target(warehouse) / "manifest.json").read_text().lower()


def test_the_rows_of_a_failed_test_are_a_line_each(warehouse: Warehouse) -> None:
    test = {"unique_id": "test.killreport.t", "status": "fail", "message": "Got 1 result"}
    query = {"compiled_code": "select character_id, name from raw.characters"}
    model = {"unique_id": "model.killreport.m", "status": "error", "message": f"Database Error\n  ({EVIL})"}
    description = describe_failures([test | query, model], warehouse.engine)
    assert description is not None
    assert "\x1b" not in description
    rows = [line for line in description.splitlines() if line.startswith("  character_id=")]
    assert len(rows) == 3
    assert all(row.endswith(r"|`x`\n[y](javascript:alert(2))\x1b[2J") for row in rows)


def _target(warehouse: Warehouse) -> Path:
    return target_folder(warehouse._home)

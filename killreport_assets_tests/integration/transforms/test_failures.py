"""What a failed build says: the model or test, its rows, and what to do."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.process import service_urls
from killreport_assets.sandbox.world import World
from killreport_assets.settings import load_settings
from killreport_assets.store.killmails import write_killmails
from killreport_assets.transforms.failures import describe_failures
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import Warehouse, load_static

SANDBOX = {name.removeprefix("KILLREPORT_"): url for name, url in service_urls(1).items()}
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
KILLMAIL = next(killmail for killmail in World().killmails.values() if killmail.day.day < 28)


@pytest.fixture(scope="module")
def warehouse(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """A database with one killmail under two times."""
    with databases.fresh() as engine:
        with engine.begin() as connection:
            load_static(connection, World())
        write_killmails(engine, [KillmailBody(KILLMAIL.body, KILLMAIL.hash)], "everef")
        with engine.begin() as connection:
            for table in ("killmails", "killmail_attackers", "killmail_items"):
                columns = sa.inspect(connection).get_columns(table, "raw")
                names = ", ".join(column["name"] for column in columns)
                values = names.replace("killmail_time", "killmail_time + interval '1 day'")
                connection.execute(sa.text(f"insert into raw.{table} ({names}) select {values} from raw.{table}"))
        yield Warehouse(engine, tmp_path_factory.mktemp("dbt"))


def _failed(warehouse: Warehouse, *arguments: str) -> list[dict[str, Any]]:
    with pytest.raises(AssertionError):
        warehouse.dbt(*arguments)
    results: list[dict[str, Any]] = json.loads((_target(warehouse) / "run_results.json").read_text())["results"]
    return results


def _target(warehouse: Warehouse) -> Path:
    return warehouse._home / "dbt" / "target"


def test_a_failed_test_names_its_rows(warehouse: Warehouse) -> None:
    warehouse.dbt("run", "--select", "stg_killmails")
    results = _failed(warehouse, "test", "--select", "unique_stg_killmails_killmail_id")
    description = describe_failures(results, warehouse.engine)
    assert description is not None
    assert "unique_stg_killmails_killmail_id" in description
    assert str(KILLMAIL.id) in description
    assert "killreport dbt build" in description


def test_a_failed_model_names_the_key(warehouse: Warehouse) -> None:
    results = _failed(warehouse, "build", "--select", "+int_killmail_values", *NO_TESTS)
    description = describe_failures(results, warehouse.engine)
    assert description is not None
    assert "The dbt model int_killmail_values fails" in description
    assert f"({KILLMAIL.id})" in description


def test_a_build_without_a_failure_has_no_description(warehouse: Warehouse) -> None:
    warehouse.dbt("run", "--select", "stg_killmails")
    results = json.loads((_target(warehouse) / "run_results.json").read_text())["results"]
    assert describe_failures(results, warehouse.engine) is None


def test_a_run_in_dagster_fails_with_that_description(warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
    from killreport_assets.transforms.definitions import build_defs, transforms

    url = warehouse.engine.url.render_as_string(hide_password=False)
    settings = load_settings(database_url=url, **{name.lower(): value for name, value in SANDBOX.items()})
    result = dg.materialize(
        [transforms],
        instance=instance,
        resources=build_defs(settings).resources,
        selection=[dg.AssetKey(["staging", "stg_killmails"])],
        raise_on_error=False,
    )
    [failure] = [event for event in result.all_events if event.is_step_failure]
    assert not result.success
    # This location's manifest is that of a database with another name: a test that names it fails.
    described = failure.step_failure_data.user_failure_data
    assert described is not None
    assert str(described.description).startswith("The dbt test no_killmail_is_left_out fails: Database Error")
    assert "killreport dbt build" in str(described.description)

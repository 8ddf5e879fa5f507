"""The market's assets and the dbt schedules on a real Dagster instance, against the sandbox."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.build import build_defs
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings, load_settings
from killreport_assets_testing.sandbox import Sandbox

HISTORY, PRICES = dg.AssetKey(["raw", "market_history"]), dg.AssetKey(["raw", "market_prices"])
DAYS = sorted({date.fromisoformat(row["date"]) for row in World().market_history})
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def _run(
    settings: Settings, instance: dg.DagsterInstance, job: str, *, check: bool = True, **options: Any
) -> dg.ExecuteInProcessResult:
    config = QUIET | options.pop("config", {})
    resolved = build_defs(settings).resolve_job_def(job)
    return resolved.execute_in_process(run_config=config, instance=instance, raise_on_error=check, **options)


def _count(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def _metadata(result: dg.ExecuteInProcessResult, key: dg.AssetKey) -> dict[str, Any]:
    [*_, event] = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {name: entry.value for name, entry in event.step_materialization_data.materialization.metadata.items()}


def test_a_partition_is_a_day_of_market_history(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    result = _run(settings, instance, "load_market_history", partition_key=f"{DAYS[0]}")
    assert _metadata(result, HISTORY)["days read"] == 1
    assert _count(engine, "select count(distinct date) from raw.market_history") == 1
    assert instance.get_materialized_partitions(HISTORY) == {f"{DAYS[0]}"}


def test_a_range_of_partitions_is_one_run_and_a_day_without_a_file_is_said(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    span = {"dagster/asset_partition_range_start": f"{DAYS[0]}", "dagster/asset_partition_range_end": f"{DAYS[1]}"}
    result = _run(settings, instance, "load_market_history", check=False, tags=span)
    assert not result.success  # there is a day between them
    assert _count(engine, "select count(distinct date) from raw.market_history") == 2


def test_without_partitions_the_newest_days_are_read_once(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    config = {"ops": {"market_history": {"config": {"newest_days": 5}}}}
    assert _metadata(_run(settings, instance, "load_market_history", config=config), HISTORY)["days read"] == 5
    assert instance.get_materialized_partitions(HISTORY) == {f"{day}" for day in DAYS[-5:]}
    assert _metadata(_run(settings, instance, "load_market_history", config=config), HISTORY)["days read"] == 0
    assert _count(engine, "select count(*) from raw.market_history where region_id <> 10000002") == 0


def test_more_regions_are_read_again(
    settings: Settings, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    _run(settings, instance, "load_market_history", partition_key=f"{DAYS[0]}")
    monkeypatch.setenv("KILLREPORT_MARKET_REGIONS", "10000043, 10000032")
    more_regions = load_settings()
    assert more_regions.data.market_regions == (10_000_043, 10_000_032)
    result = _run(more_regions, instance, "load_market_history", partition_key=f"{DAYS[0]}")
    assert _metadata(result, HISTORY)["days read"] == 1


def test_a_broken_file_costs_its_day_only(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    path = f"/everef/market-history/{DAYS[-1]:%Y}/market-history-{DAYS[-1]}.csv.bz2"
    sandbox.faults({"path": path, "kind": "truncated"})
    config = {"ops": {"market_history": {"config": {"newest_days": 3}}}}
    result = _run(settings, instance, "load_market_history", config=config, check=False)
    assert not result.success
    assert _count(engine, "select count(distinct date) from raw.market_history") == 2


def test_prices_are_kept_with_their_day_and_asked_for_when_esi_may_have_newer_ones(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance, sandbox: Sandbox
) -> None:
    assert _metadata(_run(settings, instance, "load_market_prices"), PRICES)["prices"] > 800
    assert _metadata(_run(settings, instance, "load_market_prices"), PRICES)["prices"] == 0
    assert sandbox.statistics()["answers"].get("esi 200") == 1
    today = datetime.now(UTC).date()
    assert _count(engine, f"select count(*) from raw.market_prices where observed_on >= date '{today}' - 1") > 800


def test_a_schedule_builds_only_when_something_is_new(
    settings: Settings, engine: Engine, stored_instance: dg.DagsterInstance
) -> None:
    from killreport_assets.transforms.definitions import build_defs as build_transforms

    schedules = build_transforms(settings).schedules or []
    by_name = {schedule.name: schedule for schedule in schedules if isinstance(schedule, dg.ScheduleDefinition)}
    schedule = by_name["build_transforms_schedule"]

    def tick() -> Any:
        return schedule.evaluate_tick(dg.build_schedule_context(stored_instance, datetime.now(UTC)))

    assert len(tick().run_requests) == 1
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
            insert into ops.transform_builds (cadence, snapshot, as_of)
            values ('frequent', cast(pg_current_snapshot() as text), cast(now() at time zone 'UTC' as date))
            """)
        )
    assert not tick().run_requests
    assert "no killmail, price or static data changed" in tick().skip_message

"""The asset of EVE's history on a real Dagster instance, on the sandbox: partitions, ranges, the schedule's run."""

from datetime import UTC, date, datetime
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.assets.history import HISTORY_DAYS, days_are_complete, history_metadata
from killreport_assets.orchestration.build import build_defs
from killreport_assets.sandbox.world import World
from killreport_assets.settings import Settings

KEY = dg.AssetKey(["ops", "history_days"])
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
WORLD = World()
DAYS = sorted({killmail.day for killmail in WORLD.part("everef")})


def _of(day: date) -> int:
    return sum(killmail.day == day for killmail in WORLD.part("everef"))


def _run(
    settings: Settings, instance: dg.DagsterInstance, *, check: bool = True, config: Any = None, **options: Any
) -> dg.ExecuteInProcessResult:
    run_config = QUIET | ({"ops": {"history_days": {"config": config}}} if config else {})
    resolved = build_defs(settings).resolve_job_def("load_history")
    return resolved.execute_in_process(run_config=run_config, instance=instance, raise_on_error=check, **options)


def _count(engine: Engine, query: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    [*_, event] = [event for event in result.get_asset_materialization_events() if event.asset_key == KEY]
    return {name: entry.value for name, entry in event.step_materialization_data.materialization.metadata.items()}


def test_partitions_are_the_days_since_the_first_archive_today_included() -> None:
    keys = HISTORY_DAYS.get_partition_keys(current_time=datetime(2026, 11, 27, 12, tzinfo=UTC))
    assert (keys[0], keys[-1]) == ("2007-12-05", "2026-11-27")


def test_a_partition_is_a_day(settings: Settings, engine: Engine, instance: dg.DagsterInstance) -> None:
    result = _run(settings, instance, partition_key=f"{DAYS[-1]}")
    assert _metadata(result)["stored"] == _of(DAYS[-1]) == _count(engine, "select count(*) from raw.killmails")
    assert instance.get_materialized_partitions(KEY) == {f"{DAYS[-1]}"}
    assert f"| {DAYS[-1].year} |" in str(_metadata(result)["calendar"])
    assert _metadata(_run(settings, instance, partition_key=f"{DAYS[-1]}"))["days read"] == 0


def test_a_range_is_one_run_and_a_day_without_an_archive_is_said(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    span = {"dagster/asset_partition_range_start": f"{DAYS[0]}", "dagster/asset_partition_range_end": f"{DAYS[1]}"}
    result = _run(settings, instance, check=False, tags=span)
    assert not result.success  # there are days between them without an archive
    assert _count(engine, "select count(*) from raw.killmails") == _of(DAYS[0]) + _of(DAYS[1])


def test_without_partitions_the_newest_days_are_loaded_and_those_that_grew(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    result = _run(settings, instance, config={"newest_days": 3})
    assert _metadata(result)["days read"] == 3
    assert instance.get_materialized_partitions(KEY) == {f"{day}" for day in DAYS[-3:]}
    with engine.begin() as connection:  # as if the oldest of them had been loaded when its archive had fewer
        connection.execute(
            sa.text("update ops.history_days set etag = 'old', stored = stored - 1 where killmail_date = :day"),
            {"day": DAYS[-3]},
        )
    assert _metadata(_run(settings, instance, config={"newest_days": 1}))["days read"] == 1
    assert _metadata(_run(settings, instance, config={"newest_days": 1}))["days read"] == 0


def test_the_check_names_days_that_lack_something(
    settings: Settings, engine: Engine, instance: dg.DagsterInstance
) -> None:
    selection = dg.AssetSelection.assets(KEY)
    defs = build_defs(settings)
    job = dg.Definitions(
        assets=defs.assets,
        asset_checks=[days_are_complete],
        jobs=[dg.define_asset_job("load_and_check", selection | dg.AssetSelection.checks(days_are_complete))],
        resources=defs.resources,
    ).resolve_job_def("load_and_check")

    def checked(day: date) -> dg.AssetCheckEvaluation:
        result = job.execute_in_process(instance=instance, partition_key=f"{day}", run_config=QUIET)
        [evaluation] = result.get_asset_check_evaluations()
        return evaluation

    named = {day: sum(k.day == day and k.zkb is not None for k in WORLD.killmails.values()) for day in DAYS}
    whole = next(day for day in DAYS if named[day] <= _of(day))
    assert (checked(whole).passed, checked(whole).partition) == (True, f"{whole}")
    partial = next(day for day in DAYS if named[day] > _of(day))
    evaluation = checked(partial)
    assert (evaluation.passed, evaluation.partition) == (False, f"{partial}")
    assert evaluation.metadata["missing"].value == named[partial] - _of(partial)


def test_the_calendar_says_how_much_of_each_month_is_here(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("""
            insert into ops.history_days (killmail_date, everef_total, zkillboard_total, stored, state) values
                ('2020-01-01', 100, null, 100, 'loaded'), ('2020-02-01', 100, 110, 99, 'incomplete'),
                ('2020-03-01', 10, null, 0, 'listed'), ('2020-04-01', 0, null, 0, 'listed')
            """)
        )
    calendar = history_metadata(engine)["calendar"]
    assert isinstance(calendar, dg.MarkdownMetadataValue)
    table = str(calendar.value)
    cells = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert cells == ["2020", "█ 100 %", "▓ 90 %", "0 %", *[""] * 9]

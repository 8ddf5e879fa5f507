"""The asset ops/history_days, partitioned by UTC day: EVE's history, loaded from archives and compared with lists."""

import warnings
from collections.abc import Iterator
from contextlib import closing
from datetime import date

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.ingest.archives import DayReport
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.ingest.history_repairs import HistoryRepairs
from killreport_assets.ingest.loader import written_facts
from killreport_assets.orchestration.markdown import markdown_table
from killreport_assets.orchestration.metadata import (
    Metadata,
    asset_key,
    load_metadata,
    service_spec,
    stop_when_incomplete,
    table_spec,
)
from killreport_assets.orchestration.partitions import selected_days
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2_history import R2z2History
from killreport_assets.store.history import FIRST_DAY, history_days, missing_for_good, monthly_shares
from killreport_assets.store.schema import tables

ZKILLBOARD_HISTORY = service_spec("zkillboard/history", "zKillboard's killmails of each day, by id and hash")
EVEREF_KILLMAILS = service_spec("everef/killmails", "EVE Ref's daily killmail archives")
HISTORY_DAYS = dg.DailyPartitionsDefinition(start_date=f"{FIRST_DAY}", timezone="UTC", end_offset=1)
"""Today is the last partition: its killmails come by the feed, its archive tomorrow."""
DAYS_A_RUN = 31
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
SHADES = " ░▒▓█"
KEY = asset_key(tables.history_days)
MAX_SHOWN = 20
# Partitions of checks are new in Dagster; the version is pinned, and a test runs this one.
warnings.filterwarnings(
    "ignore", message="Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning
)


class HistoryConfig(dg.Config):
    """The days to look at when no partitions are selected; days that have grown since they were loaded are added."""

    newest_days: int = Field(30, ge=0, description="number of newest available days; 0: every available day")


@dg.multi_asset(
    name="history_days",
    specs=[
        table_spec(
            tables.history_days,
            "killmails",
            [EVEREF_KILLMAILS.key, ZKILLBOARD_HISTORY.key],
            partitions_def=HISTORY_DAYS,
        )
    ],
    backfill_policy=dg.BackfillPolicy.multi_run(DAYS_A_RUN),
)
def history_days_asset(
    context: dg.AssetExecutionContext,
    config: HistoryConfig,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load the days' archives that are new or have changed, and request killmails that only zKillboard's lists name."""
    selected = selected_days(context)

    def on_day(report: DayReport) -> None:
        facts = written_facts(report.written)
        context.log.info(f"{report.day}: {facts}" + (f"; {report.problem}" if report.problem else ""))
        if selected is None and report.is_read:  # otherwise Dagster itself materializes each selected partition
            context.log_event(dg.AssetMaterialization(KEY, metadata={**facts}, partition=f"{report.day}"))

    with closing(EveRef(settings)) as everef:
        loader = HistoryLoader(everef, selected, config.newest_days, with_grown=True, on_day=on_day)
        metadata = load_metadata(loader.load(database))
    with closing(R2z2History(settings, database)) as lists:
        repaired = load_metadata(HistoryRepairs(lists, selected).load(database))
    metadata |= {f"repairs: {name}": fact for name, fact in repaired.items()}
    stop_when_incomplete(metadata)
    yield dg.MaterializeResult(KEY, metadata=metadata | history_metadata(database))


def history_metadata(engine: Engine) -> Metadata:
    """A calendar: the share of each month's known killmails that is stored."""
    with engine.connect() as connection:
        shares = monthly_shares(connection)
    years = sorted({year for year, _ in shares}, reverse=True)
    rows = [
        {"year": year} | {name: _shown(shares.get((year, month))) for month, name in enumerate(MONTHS, 1)}
        for year in years
    ]
    return {"calendar": dg.MetadataValue.md(markdown_table(rows))}


def _shown(share: float | None) -> str:
    if share is None:
        return ""
    # Rounded down: 100 % is for a month of which nothing is known to be missing.
    return f"{SHADES[int(share * (len(SHADES) - 1))]} {int(share * 100)} %".lstrip()


@dg.asset_check(asset=KEY, partitions_def=HISTORY_DAYS)
def days_are_complete(
    context: dg.AssetCheckExecutionContext, database: dg.ResourceParam[Engine]
) -> dg.AssetCheckResult:
    """What EVE Ref and zKillboard have of each loaded day is stored, but for killmails that are missing for good."""
    chosen = selected_days(context.op_execution_context) or [FIRST_DAY, date.max]
    with database.connect() as connection:
        days = history_days(connection, min(chosen), max(chosen))
        for_good = missing_for_good(connection, min(chosen), max(chosen))
    lacks = {day: known.lacks - for_good.get(day, 0) for day, known in days.items() if known.loaded_at is not None}
    wrong = [day for day, missing in lacks.items() if missing > 0 or days[day].state != "loaded"]
    return dg.AssetCheckResult(
        passed=not wrong,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"days": len(wrong), "missing": sum(lacks[day] for day in wrong)}
        | {f"{day}": printable(days[day].reason or f"{lacks[day]:,} are missing") for day in wrong[:MAX_SHOWN]},
    )

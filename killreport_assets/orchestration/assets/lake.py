"""The assets of the lake: every dataset as Parquet files, written by one export."""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.base.files import project_file
from killreport_assets.lake.datasets import DATASETS
from killreport_assets.orchestration.metadata import OWNERS, asset_key
from killreport_assets.settings import Settings

DBT = project_file("dbt_transforms")
MARTS = sorted(file.stem for file in [*(DBT / "models" / "marts").rglob("*.sql"), *(DBT / "seeds").glob("mart_*.csv")])


class LakeConfig(dg.Config):
    """How much is read."""

    full: bool = Field(default=False, description="read everything again, and take over another platform's lake")


def lake_key(dataset: str) -> dg.AssetKey:
    """The asset key of a dataset."""
    return dg.AssetKey(["lake", dataset])


def _spec(dataset: str, description: str, source: dg.AssetKey) -> dg.AssetSpec:
    return dg.AssetSpec(
        lake_key(dataset),
        description=description,
        group_name="lake",
        owners=OWNERS,
        kinds={"parquet"},
        deps=[source],
        skippable=True,
    )


@dg.multi_asset(
    name="lake",
    specs=[
        *(_spec(name, f"As files: {table.comment}", asset_key(table)) for name, table in DATASETS.items()),
        *(_spec(mart, f"As files: marts.{mart}", dg.AssetKey(["marts", mart])) for mart in MARTS),
    ],
)
def lake(
    context: dg.AssetExecutionContext,
    config: LakeConfig,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
) -> Iterator[dg.MaterializeResult[None]]:
    """Write what changed since the last export, then the manifest, then the snapshots of Iceberg's tables."""
    from killreport_assets.lake.export import LakeExport
    from killreport_assets.lake.keep import after_export
    from killreport_assets.lake.manifest import read_datasets, read_manifest
    from killreport_assets.lake.open import lake_of

    storage = lake_of(settings)

    def on_day(day: date, done: int, days: int) -> None:
        context.log.info(f"{day}: {done:,} of {days:,} days")

    report = LakeExport(database, storage, is_full=config.full, on_day=on_day).run()
    kept = after_export(database, storage, timedelta(days=settings.data.lake_keep_days))
    context.log.info(f"{report}, {kept}")
    manifest = read_manifest(storage)
    if report.days_left or manifest is None:
        raise dg.Failure(f"{report.days_left:,} days are left: the next export goes on")
    for name, dataset in read_datasets(storage, manifest).items():
        if name not in {*DATASETS, *MARTS}:  # not a table of ours
            continue
        size = sum(file.bytes for file in dataset.files)
        yield dg.MaterializeResult(
            lake_key(name),
            metadata={
                "dagster/row_count": dataset.rows,
                "dagster/uri": storage.uri(f"{dataset.schema_name}/{name}"),
                "files": len(dataset.files),
                "MB": round(size / 1e6, 1),
                "days read": report.days,
                "files written": report.files_written,
            },
        )

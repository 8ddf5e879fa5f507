"""The dbt code location: every model as an asset, every dbt test as an asset check, and their schedule."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from killreport_assets.asset_metadata import OWNERS
from killreport_assets.schedules import default_status
from killreport_assets.settings import Settings, load_settings
from killreport_assets.store.database import database_urls
from killreport_assets.transforms.project import DBT, PROJECT, dbt_environment, ensure_manifest


class Translator(DagsterDbtTranslator):
    """Keys are schema and table, groups the layers."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """The asset of a dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] != "model":
            return spec
        layer = node["config"]["schema"]
        return spec.replace_attributes(key=dg.AssetKey([layer, node["name"]]), group_name=layer, owners=OWNERS)


@dbt_assets(
    manifest=ensure_manifest(),
    name="transforms",
    dagster_dbt_translator=Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
)
def transforms(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build and test the dbt models."""
    os.environ.update(dbt_environment(database_urls(load_settings()).killreport))
    yield from dbt.cli(["build"], context=context).stream().fetch_row_counts().fetch_column_metadata()


build_transforms = dg.define_asset_job(
    "build_transforms", dg.AssetSelection.assets(transforms), description="Build and test every dbt model",
    tags={"dagster/max_runtime": "3600"},
)  # fmt: skip


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """The dbt code location."""
    settings = settings or load_settings()
    return dg.Definitions(
        assets=[transforms],
        jobs=[build_transforms],
        schedules=[
            dg.ScheduleDefinition(
                name="build_transforms_schedule", job=build_transforms, cron_schedule=settings.transforms_schedule,
                execution_timezone="UTC", default_status=default_status(settings, dg.DefaultScheduleStatus),
            )
        ],
        resources={"dbt": DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=str(DBT))},
        executor=dg.in_process_executor,
    )  # fmt: skip


defs = build_defs()

"""The dbt code location: every model as an asset, every dbt test as an asset check, and their schedules."""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    dbt_assets,
)
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.database.engine import database_name, database_urls
from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.orchestration.automation import TRIGGER_TAG, is_under_way, schedule_status
from killreport_assets.orchestration.metadata import OWNERS
from killreport_assets.provision.database import open_database
from killreport_assets.settings import Settings, load_settings
from killreport_assets.store.changed_days import forget_built, is_build_due
from killreport_assets.transforms.battles import battles
from killreport_assets.transforms.charts import CHARTS, chart_of
from killreport_assets.transforms.failures import describe_failures
from killreport_assets.transforms.project import (
    DBT,
    NIGHTLY,
    PROJECT,
    build_arguments,
    dbt_environment,
    ensure_manifest,
)

never_proxy_loopback()
SETTINGS = load_settings()
"""Loaded at import, because the asset decorator needs the manifest."""
FRESH_FOR = {"frequent": timedelta(hours=24, minutes=30), "nightly": timedelta(hours=26)}
"""By cadence. A frequent model is built at least when the date changes, even without new data."""

ONE_AT_A_TIME = {"killreport/transforms": "build"}
"""The instance runs one build at a time; see instance.py."""
COLUMN_METADATA = ("dagster/column_schema", "dagster/column_lineage")


class Translator(DagsterDbtTranslator):
    """Translates dbt nodes to assets: keys are schema and table, groups are layers, tables have a freshness policy."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """The asset of a dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = self.get_resource_props(manifest, unique_id)
        if node["resource_type"] not in {"model", "seed"}:
            return spec
        layer = node["config"]["schema"]
        spec = spec.replace_attributes(
            key=dg.AssetKey([layer, node["name"]]),
            group_name=layer,
            owners=OWNERS,
            description=_with_chart(spec.description or "", layer, node["name"]),
        )
        if node["config"]["materialized"] == "view":
            return spec
        cadence = NIGHTLY if NIGHTLY in node["config"]["tags"] else "frequent"
        return spec.replace_attributes(freshness_policy=dg.FreshnessPolicy.time_window(fail_window=FRESH_FOR[cadence]))


def _with_chart(description: str, layer: str, model: str) -> str:
    """A description that shows the last build's chart above the SQL; orchestration/webserver.py serves the image."""
    if model not in CHARTS:
        return description
    text, _, sql = description.partition("\n\n")
    return f"{text}\n\n![{CHARTS[model][0]}](/charts/{layer}/{model}.png)\n\n{sql}"


class TransformsConfig(dg.Config):
    """Whether a build describes columns."""

    describe_columns: bool | None = Field(
        None,
        description="compute column lineage again (half a minute); default: nightly, and when a table has none",
    )


@dbt_assets(
    manifest=ensure_manifest(database_name(SETTINGS), SETTINGS.home),
    name="transforms",
    dagster_dbt_translator=Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
)
def transforms(
    context: dg.AssetExecutionContext,
    config: TransformsConfig,
    dbt: DbtCliResource,
    settings: dg.ResourceParam[Settings],
) -> Iterator[Any]:
    """Build and test the selected dbt models with a single `dbt build`."""
    os.environ.update(dbt_environment(database_urls(settings).killreport, settings.home, settings.data.marts_from))
    is_nightly = not NIGHTLY_MODELS.isdisjoint(context.selected_asset_keys)
    known = {} if is_nightly else described(context.instance, context.selected_asset_keys)
    describes = config.describe_columns
    if describes is None:
        describes = is_nightly or known.keys() != set(context.selected_asset_keys)
    engine = open_database(settings)
    try:
        with advisory_lock(engine, Lock.TRANSFORMS_BUILD):  # concurrent builds would write the same days
            invocation = dbt.cli(build_arguments(is_nightly=is_nightly), context=context)
            built = invocation.stream().fetch_row_counts()
            try:
                for event in built.fetch_column_metadata() if describes else built:
                    yield _with_metadata(context, event, known, engine) if isinstance(event, dg.Output) else event
            except DagsterDbtCliRuntimeError as error:
                raise _failure(invocation, engine) or error from error
        context.log.info("deleted %d changed days that every cadence has built", forget_built(engine))
    finally:
        engine.dispose()


def described(instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey]) -> dict[dg.AssetKey, dict[str, Any]]:
    """The column metadata of each asset's last materialization, which is valid until the model's SQL changes.

    Assets without column metadata are left out; a seed has columns, but no lineage.
    """
    known = {}
    for key in keys:
        event = instance.get_latest_materialization_event(key)
        materialization = event.asset_materialization if event else None
        metadata = materialization.metadata if materialization else {}
        if COLUMN_METADATA[0] in metadata:
            known[key] = {name: metadata[name] for name in COLUMN_METADATA if name in metadata}
    return known


def _failure(invocation: DbtCliInvocation, engine: Engine) -> dg.Failure | None:
    """What failed in the build; None if dbt failed before it built anything."""
    try:
        results = invocation.get_artifact("run_results.json")["results"]
    except FileNotFoundError:
        return None
    description = describe_failures(results, engine)
    return dg.Failure(description) if description else None


def _with_metadata(
    context: dg.AssetExecutionContext, event: Any, known: Mapping[dg.AssetKey, Mapping[str, Any]], engine: Engine
) -> Any:
    """A model's output with its known column metadata and its chart."""
    model = str(event.metadata["unique_id"].value).split(".")[-1]
    columns = known.get(context.asset_key_for_output(event.output_name), {})
    return event.with_metadata({**columns, **event.metadata, **_chart(context, model, engine)})


def _chart(context: dg.AssetExecutionContext, model: str, engine: Engine) -> dict[str, dg.MetadataValue[Any]]:
    try:
        chart = chart_of(model, engine)
    except Exception as error:  # a missing chart must not fail a build
        context.log.warning(f"no chart of {model}: {error}")
        return {}
    return {"chart": dg.MetadataValue.md(chart)} if chart else {}


NIGHTLY_MODELS = {key for key in transforms.keys if NIGHTLY in transforms.get_asset_spec(key).tags}
build_transforms = dg.define_asset_job(
    "build_transforms",
    dg.AssetSelection.assets(battles, transforms) - dg.AssetSelection.keys(*NIGHTLY_MODELS),
    description="Find battles, build the frequent dbt models for the changed days, and test those days",
    tags=ONE_AT_A_TIME | {"dagster/max_runtime": "7200"},
)
build_all_transforms = dg.define_asset_job(
    "build_all_transforms",
    dg.AssetSelection.assets(battles, transforms),
    description="Find battles, build every dbt model, including the nightly ones, and run every test on all data",
    tags=ONE_AT_A_TIME | {"dagster/max_runtime": "21600"},
)


def _schedule(settings: Settings, job: Any, cron: str, cadence: str) -> dg.ScheduleDefinition:
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if is_under_way(context.instance, job.name):
            return dg.SkipReason(f"a run of {job.name} waits or runs already")
        engine = open_database(settings)
        try:
            if is_build_due(engine, cadence):
                return dg.RunRequest(tags={TRIGGER_TAG: "schedule"})
        finally:
            engine.dispose()
        return dg.SkipReason("no killmail, price or static data changed since the last build")

    return dg.ScheduleDefinition(
        name=f"{job.name}_schedule",
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        execution_fn=tick,
        default_status=schedule_status(settings),
    )


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """The dbt code location."""
    settings = settings or load_settings()
    return dg.Definitions(
        assets=[battles, transforms],
        jobs=[build_transforms, build_all_transforms],
        schedules=[
            _schedule(settings, build_transforms, settings.schedules.transforms_schedule, "frequent"),
            _schedule(settings, build_all_transforms, settings.schedules.nightly_transforms_schedule, NIGHTLY),
        ],
        resources={
            "dbt": DbtCliResource(project_dir=str(PROJECT), profiles_dir=str(PROJECT), dbt_executable=str(DBT)),
            "settings": settings,
        },
        executor=dg.in_process_executor,
    )


defs = build_defs(SETTINGS)

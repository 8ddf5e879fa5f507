"""The assets raw/wars and raw/war_allies, partitioned by EVE Ref's archives; new wars and those that go on from ESI."""

from collections.abc import Iterator
from contextlib import closing

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.ingest.wars import ArchiveFacts, WarArchiveLoader, WarRefresh
from killreport_assets.orchestration.assets.external import ESI, EVEREF_WARS
from killreport_assets.orchestration.metadata import (
    asset_key,
    load_metadata,
    stop_when_incomplete,
    table_metadata,
    table_spec,
)
from killreport_assets.orchestration.partitions import selected_partitions
from killreport_assets.settings import Settings
from killreport_assets.sources.war_archives import WarArchives
from killreport_assets.store.schema.wars import WAR_TABLES, wars

WAR_ARCHIVES = dg.DynamicPartitionsDefinition(name="war_archives")
"""EVE Ref's archives by name, `2020` or `2021-01-31`; every run adds those that are new."""


class WarsConfig(dg.Config):
    """What to load when no partitions are selected, and what to do with killmails that archives name."""

    newest_archives: int = Field(7, ge=0, description="number of newest archives; 0: every archive")
    request_killmails: bool = Field(
        default=False, description="request from ESI the killmails that archives name and that are not stored"
    )


@dg.multi_asset(
    name="wars",
    specs=[table_spec(table, "wars", [EVEREF_WARS.key, ESI.key], partitions_def=WAR_ARCHIVES) for table in WAR_TABLES],
    backfill_policy=dg.BackfillPolicy.single_run(),
)
def wars_asset(
    context: dg.AssetExecutionContext,
    config: WarsConfig,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
    esi: dg.ResourceParam[EsiClient],
) -> Iterator[dg.MaterializeResult[None]]:
    """Load changed archives of wars; without partitions also, from ESI, wars that are new or go on."""
    selected = selected_partitions(context)

    def on_archive(name: str, facts: ArchiveFacts) -> None:
        context.log.info(f"{name}: {facts}")
        if selected is None:  # otherwise Dagster itself materializes each selected partition
            context.log_event(dg.AssetMaterialization(asset_key(wars), metadata={**facts}, partition=name))

    with closing(WarArchives(settings)) as archives:
        available = archives.available()
        context.instance.add_dynamic_partitions(str(WAR_ARCHIVES.name), [*available])
        loader = WarArchiveLoader(
            archives, available, selected, config.newest_archives, config.request_killmails, on_archive=on_archive
        )
        metadata = load_metadata(loader.load(database))
    if selected is None:
        metadata = load_metadata(WarRefresh(esi).load(database)) | metadata
    stop_when_incomplete(metadata)
    for table in WAR_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(database, table))

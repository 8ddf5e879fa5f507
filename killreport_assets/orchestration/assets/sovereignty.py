"""The assets raw/sovereignty_campaigns and raw/sovereignty_participants, from ESI."""

from collections.abc import Iterator

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.ingest.sovereignty import CampaignLoader
from killreport_assets.orchestration.assets.external import ESI
from killreport_assets.orchestration.metadata import (
    asset_key,
    load_metadata,
    stop_when_incomplete,
    table_metadata,
    table_spec,
)
from killreport_assets.store.schema.sovereignty import SOVEREIGNTY_TABLES


@dg.multi_asset(name="sovereignty", specs=[table_spec(table, "sovereignty", [ESI.key]) for table in SOVEREIGNTY_TABLES])
def sovereignty(
    database: dg.ResourceParam[Engine], esi: dg.ResourceParam[EsiClient]
) -> Iterator[dg.MaterializeResult[None]]:
    """Store the sovereignty campaigns that ESI lists now; those that it does not list any more have ended."""
    metadata = load_metadata(CampaignLoader(esi).load(database))
    stop_when_incomplete(metadata)
    for table in SOVEREIGNTY_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(database, table))

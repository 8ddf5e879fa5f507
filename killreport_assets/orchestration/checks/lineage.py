"""Checks that no entity of any killmail is missing; weekly, because they read every killmail."""

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.store.mentions import Forgotten, neither_known_nor_pending, without_lineage
from killreport_assets.store.places import PLAYER_KINDS
from killreport_assets.store.schema import tables


def _result(forgotten: dict[str, Forgotten]) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue | int | str] = {}
    for kind, found in forgotten.items():
        metadata[kind] = found.count
        if found.sample:
            metadata[f"{kind}: some"] = ", ".join(map(str, found.sample))
    return dg.AssetCheckResult(passed=not any(found.count for found in forgotten.values()), metadata=metadata)


@dg.asset_check(asset=asset_key(tables.enrichments))
def everything_mentioned_is_known_or_pending(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Every entity that killmails mention is in its dimension or pending."""
    with database.connect() as connection:
        return _result({kind: neither_known_nor_pending(connection, kind) for kind in tables.DIMENSIONS})


@dg.asset_check(asset=asset_key(tables.enrichments))
def every_mention_was_known_or_has_a_cause(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Every player entity of every stored killmail was known before it, or has a row in ops.enrichments."""
    with database.connect() as connection:
        return _result({kind: without_lineage(connection, kind) for kind in PLAYER_KINDS})


LINEAGE_CHECKS = [everything_mentioned_is_known_or_pending, every_mention_was_known_or_has_a_cause]

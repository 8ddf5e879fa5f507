"""Checks of what was stored and of what could not be."""

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.store.schema import tables


def _count(database: Engine, query: str) -> int:
    with database.connect() as connection:
        count: int = connection.execute(sa.text(query)).scalar_one()
    return count


@dg.asset_check(asset=asset_key(tables.killmails))
def every_killmail_has_one_final_blow(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Each stored killmail has its attackers, exactly one with the final blow."""
    wrong = _count(
        database,
        """
        select count(*) from raw.killmails k where 1 <> (
            select count(*) filter (where a.final_blow) from raw.killmail_attackers a
            where a.killmail_id = k.killmail_id and a.killmail_time = k.killmail_time)
    """,
    )
    return dg.AssetCheckResult(passed=wrong == 0, metadata={"killmails": wrong})


@dg.asset_check(asset=asset_key(tables.killmails))
def no_killmail_was_rejected(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Nothing is kept in ops.rejected_killmails; a warning, for a source may well be wrong."""
    rejected = _count(database, "select count(*) from ops.rejected_killmails")
    return dg.AssetCheckResult(
        passed=rejected == 0, severity=dg.AssetCheckSeverity.WARN, metadata={"rejected": rejected}
    )


@dg.asset_check(asset=asset_key(tables.dead_letters))
def no_message_is_dead(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Nothing is in ops.dead_letters that was not replayed."""
    dead = _count(database, "select count(*) from ops.dead_letters where replayed_at is null")
    return dg.AssetCheckResult(
        passed=dead == 0,
        metadata={"dead letters": dead, "what to do": "killreport dead-letters list, then replay or drop"},
    )


CHECKS = [every_killmail_has_one_final_blow, no_killmail_was_rejected, no_message_is_dead]

"""Checks of stored killmails, rejected killmails, the feed and dead letters."""

from datetime import UTC, datetime

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.sources.r2z2 import FEED
from killreport_assets.store.feed_repairs import failures
from killreport_assets.store.integrity import killmails_without_one_final_blow, rejected_killmails
from killreport_assets.store.repairs import killmails_with_two_times
from killreport_assets.store.schema import tables
from killreport_assets.workers.dead_letters import count_dead_letters

MAX_SHOWN = 20


@dg.asset_check(asset=asset_key(tables.killmails))
def every_killmail_has_one_final_blow(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Every stored killmail has attackers, exactly one of them with the final blow."""
    with database.connect() as connection:
        wrong = killmails_without_one_final_blow(connection)
    return dg.AssetCheckResult(passed=wrong == 0, metadata={"killmails": wrong})


@dg.asset_check(asset=asset_key(tables.killmails))
def no_killmail_was_rejected(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """The table ops.rejected_killmails is empty; a warning only, because a source may be wrong."""
    with database.connect() as connection:
        rejected = rejected_killmails(connection)
    return dg.AssetCheckResult(
        passed=rejected == 0, severity=dg.AssetCheckSeverity.WARN, metadata={"rejected": rejected}
    )


@dg.asset_check(asset=asset_key(tables.dead_letters))
def no_message_is_dead(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """The table ops.dead_letters has no letter that was not replayed."""
    dead = count_dead_letters(database)
    return dg.AssetCheckResult(
        passed=dead == 0,
        metadata={"dead letters": dead, "what to do": "killreport dead-letters list, then replay or drop"},
    )


@dg.asset_check(asset=asset_key(tables.killmails))
def no_killmail_has_two_times(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """Every killmail is stored once: an id with two times would count twice."""
    with database.connect() as connection:
        found = killmails_with_two_times(connection)
    return dg.AssetCheckResult(
        passed=not found,
        metadata={
            "killmails": len(found),
            "some": ", ".join(f"{one.killmail_id} of {one.killmail_time:%F %T}" for one in found[:MAX_SHOWN]),
            "what to do": "killreport repair",
        },
    )


@dg.asset_check(asset=asset_key(tables.killmails))
def every_feed_entry_is_readable(database: dg.ResourceParam[Engine]) -> dg.AssetCheckResult:
    """No entry of a feed has been unreadable for minutes; a warning only, because each is tried again."""
    with database.connect() as connection:
        found = [failure for failure in failures(connection, FEED) if failure.is_lasting(datetime.now(UTC))]
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"entries": len(found)}
        | {f"entry {one.sequence}": printable(one.reason) for one in found[:MAX_SHOWN]},
    )


CHECKS = [
    every_feed_entry_is_readable,
    no_killmail_has_two_times,
    every_killmail_has_one_final_blow,
    no_killmail_was_rejected,
    no_message_is_dead,
]

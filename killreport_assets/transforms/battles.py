"""The assets of battles: found in Python before dbt's models sum them, in the runs that build the models."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.battles.refresh import BattlesReport, refresh_battles
from killreport_assets.battles.rules import RULES, BattleRules
from killreport_assets.database.migrate import writing
from killreport_assets.orchestration.metadata import Metadata, asset_key, table_metadata, table_spec
from killreport_assets.provision.database import open_database
from killreport_assets.settings import Settings
from killreport_assets.store.battles import forget_found
from killreport_assets.store.schema import tables

READ = [asset_key(table) for table in (tables.killmails, tables.killmail_attackers, tables.stargates)]
FOUND = (*tables.BATTLE_TABLES, tables.former_battles)


class BattlesConfig(dg.Config):
    """The thresholds of battles; after a change run with `full`."""

    full: bool = Field(default=False, description="find all battles again, not only those with new killmails")
    active_killmails: int = Field(
        default=RULES.active_killmails,
        ge=1,
        le=1_000,
        description="killmails that make five minutes active; EVE-KILL: 5",
    )
    quiet_segments: int = Field(
        default=RULES.quiet_segments,
        ge=1,
        le=288,
        description="times five minutes that are not active end a battle; EVE-KILL: 6, zKillboard: two hours",
    )
    minor_damage: float = Field(
        default=RULES.minor_damage,
        ge=0,
        le=1,
        description="share of damage below which attackers tell no side; EVE-KILL: 0.05",
    )
    side_pilots: int = Field(
        default=RULES.side_pilots, ge=1, le=10_000, description="pilots that two sides of a battle have at least"
    )

    def rules(self) -> BattleRules:
        """The rules with these thresholds."""
        return BattleRules(
            active_killmails=self.active_killmails,
            quiet_segments=self.quiet_segments,
            minor_damage=self.minor_damage,
            side_pilots=self.side_pilots,
        )


@dg.multi_asset(name="battles", specs=[table_spec(table, "derived", READ) for table in FOUND])
def battles(
    context: dg.AssetExecutionContext, config: BattlesConfig, settings: dg.ResourceParam[Settings]
) -> Iterator[dg.MaterializeResult[None]]:
    """Find battles where killmails came since the last time: which are one fight, and who was on which side."""
    engine = open_database(settings)
    try:
        yield from _materialized(context, config, engine)
    finally:
        engine.dispose()


def _materialized(
    context: dg.AssetExecutionContext, config: BattlesConfig, engine: Engine
) -> Iterator[dg.MaterializeResult[None]]:
    def on_span(first: date, last: date, so_far: BattlesReport) -> None:
        context.log.info(f"{first} to {last}: {so_far.found:,} battles in {so_far.days:,} days so far")

    if config.full:
        with writing(engine) as connection:
            forget_found(connection)
    report = refresh_battles(engine, config.rules(), on_span)
    facts: Metadata = {
        "days": report.days,
        "battles on them": report.found,
        "changed": report.changed,
        "ended": len(report.ended),
    }
    for table in FOUND:
        yield dg.MaterializeResult(asset_key(table), metadata=facts | table_metadata(engine, table))

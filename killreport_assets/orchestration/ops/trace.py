"""Dagster's ops that show the lineage of one record in the UI, and the one that purges the event log."""

from datetime import timedelta
from urllib.parse import quote

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.models.ids import EntityKind, zkillboard_url
from killreport_assets.operations.backup import back_up, delete_old
from killreport_assets.orchestration.event_log import purge_celery_results, purge_event_log, purge_runs
from killreport_assets.orchestration.markdown import in_markdown
from killreport_assets.orchestration.metadata import asset_key, causes_table
from killreport_assets.settings import Settings
from killreport_assets.store.retention import delete_old_dead_letters, delete_old_syncs
from killreport_assets.store.schema import tables
from killreport_assets.store.trace import trace_entity as read_entity
from killreport_assets.store.trace import trace_killmail as read_killmail


class KillmailConfig(dg.Config):
    """The killmail to trace."""

    killmail_id: int = Field(gt=0, description="killmail id")


class EntityConfig(dg.Config):
    """The entity to trace."""

    kind: str = Field(description="alliance, corporation, character or type")
    id: int = Field(gt=0, description="entity id")


@dg.op(out=dg.Out(dg.Nothing))
def observe_killmail(
    context: dg.OpExecutionContext, config: KillmailConfig, database: dg.ResourceParam[Engine]
) -> None:
    """Show which entities a killmail caused to be fetched, as an observation of raw/killmails."""
    with database.connect() as connection:
        trace = read_killmail(connection, config.killmail_id)
    metadata: dict[str, dg.MetadataValue | int | str] = {
        "killmail": dg.MetadataValue.url(zkillboard_url(trace.killmail_id)),
        "killmail_id": trace.killmail_id,
        "time": f"{trace.killmail_time:%F %T}",
        "source": trace.source,
        "stored": f"{trace.stored_at:%F %T}",
        "caused": causes_table(trace.causes),
        "runs": _runs([cause.consuming_run for cause in trace.causes]),
    }
    context.log_event(dg.AssetObservation(asset_key(tables.killmails), metadata=metadata))


@dg.op(out=dg.Out(dg.Nothing))
def observe_entity(context: dg.OpExecutionContext, config: EntityConfig, database: dg.ResourceParam[Engine]) -> None:
    """Show which killmails caused an entity to be fetched, as an observation of its table."""
    with database.connect() as connection:
        trace = read_entity(connection, config.kind, config.id)
    metadata: dict[str, dg.MetadataValue | int | str] = {
        config.kind: trace.entity_id,
        "name": printable(trace.name or "unknown"),
        "known since": f"{trace.known_since:%F %T}" if trace.known_since else "not known yet",
        "caused by": trace.caused_by,
        "causes": causes_table(trace.causes),
        "runs": _runs([cause.consuming_run for cause in trace.causes]),
    }
    context.log_event(dg.AssetObservation(asset_key(tables.DIMENSIONS[EntityKind(config.kind)]), metadata=metadata))


def _runs(runs: list[str | None]) -> dg.MarkdownMetadataValue:
    distinct = sorted({run for run in runs if run})
    return dg.MetadataValue.md(
        "\n".join(f"- [{in_markdown(run)}](/runs/{quote(run, safe='')})" for run in distinct[:20]) or "none"
    )


@dg.op(out=dg.Out(dg.Nothing))
def delete_old_events(
    context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings], database: dg.ResourceParam[Engine]
) -> None:
    """Delete what is older than KILLREPORT_EVENT_LOG_DAYS, _RUN_DAYS, _SYNC_DAYS and _DEAD_LETTER_DAYS."""
    process, operator = settings.process, settings.operator
    dagster = make_engine(database_urls(settings).dagster, pool_size=1)
    try:
        events = purge_event_log(dagster, timedelta(days=process.event_log_days))
        runs = purge_runs(context.instance, dagster, timedelta(days=process.run_days))
        purge_celery_results(dagster, timedelta(days=process.run_days))
    finally:
        dagster.dispose()
    syncs = delete_old_syncs(database, timedelta(days=operator.sync_days))
    letters = delete_old_dead_letters(database, timedelta(days=operator.dead_letter_days))
    context.add_output_metadata(
        {"purged events": events, "purged runs": runs, "purged syncs": syncs, "purged dead letters": letters}
    )


@dg.op(out=dg.Out(dg.Nothing))
def make_backup(context: dg.OpExecutionContext, settings: dg.ResourceParam[Settings]) -> None:
    """Back up both databases to KILLREPORT_BACKUP_DIR, and delete old backups."""
    operator = settings.operator
    if operator.backup_dir is None:
        raise dg.Failure("KILLREPORT_BACKUP_DIR is not set: it says where backups go")
    made = back_up(settings, operator.backup_dir, with_marts=True, say=context.log.info)
    deleted = delete_old(operator.backup_dir, operator.backup_keep)
    context.add_output_metadata({"backup": str(made), "deleted": len(deleted)})

"""Metadata that assets show in the UI: column schema, row count, a preview, and reports of workers and loaders."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.models.ids import zkillboard_url
from killreport_assets.orchestration.markdown import markdown_list, markdown_table
from killreport_assets.store.previews import newest_rows, row_count
from killreport_assets.store.trace import TracedCause
from killreport_assets.workers.names import NamesReport
from killreport_assets.workers.report import WorkerReport

POSTGRESQL: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
OWNERS = ["team:killreport"]
MetadataValue = dg.MetadataValue[Any] | int | str
Metadata = dict[str, MetadataValue]
STOPPED_BY = "stopped by"
WAITS = "waits"
"""A service asked to wait: the load goes on later, and its run has not failed."""
SUMMARY_FACTS = (
    "received",
    "stored",
    "already there",
    "rejected",
    "unchanged",
    "gone",
    "retried",
    "deferred",
    "dead",
    "published",
    "rows loaded",
    "filled from ESI",
    "days read",
    "prices",
    "changed",
    "throttled until",
)
"""The metadata of a step that a one-line summary shows."""


def asset_key(table: sa.Table) -> dg.AssetKey:
    """The asset key of a table."""
    return dg.AssetKey([str(table.schema), table.name])


def _type_name(column: sa.Column[Any]) -> str:
    """PostgreSQL's name of a column's type."""
    name: str = column.type.compile(dialect=POSTGRESQL)
    return name.lower()


def table_spec(table: sa.Table, group: str, deps: list[dg.AssetKey], **arguments: object) -> dg.AssetSpec:
    """The asset of a table: its comment is the description, its columns the schema."""
    columns = [dg.TableColumn(c.name, _type_name(c), description=c.comment) for c in table.columns]
    return dg.AssetSpec(
        asset_key(table),
        description=table.comment,
        group_name=group,
        owners=OWNERS,
        kinds={"python", "postgres"},
        deps=deps,
        metadata={"dagster/column_schema": dg.TableSchema(columns=columns)},
        **arguments,  # type: ignore[arg-type]
    )


def service_spec(key: str, description: str) -> dg.AssetSpec:
    """The external asset of a service that is read, by its key as `service/name`."""
    return dg.AssetSpec(
        dg.AssetKey(key.split("/")), description=description, group_name="sources", owners=OWNERS, kinds={"http"}
    )


def table_metadata(engine: Engine, table: sa.Table) -> Metadata:
    """Row count and a small preview."""
    with engine.connect() as connection:
        count = row_count(connection, table)
    return {
        "dagster/row_count": count,
        "preview": dg.MetadataValue.md(markdown_table(newest_rows(engine, table).to_dict("records"))),
    }


def worker_metadata(report: WorkerReport) -> Metadata:
    """A worker's report: counts by outcome, the range of its killmails, a sample, the first errors."""
    metadata: Metadata = {"received": report.received, "published": report.published}
    metadata |= {"requested": report.requested} if report.requested else {}
    metadata |= {str(outcome): count for outcome, count in report.outcomes.items() if count}
    metadata |= {f"rows written: {name}": count for name, count in report.rows.items() if count}
    if report.first_killmail is not None and report.last_killmail is not None:
        metadata |= {"first killmail": report.first_killmail, "last killmail": report.last_killmail}
    if report.throttled_until is not None:
        metadata["throttled until"] = f"{report.throttled_until:%F %T} UTC"
    if report.sample:
        metadata["sample"] = dg.MetadataValue.md(markdown_table(report.sample))
    if report.errors:
        metadata["errors"] = dg.MetadataValue.md(markdown_list(report.errors))
    return metadata


def load_metadata(report: LoadReport) -> Metadata:
    """A loader's report, with the reason when it stopped early."""
    metadata: Metadata = {
        name: printable(fact) if isinstance(fact, str) else fact for name, fact in report.facts.items()
    }
    if report.waiting is not None:
        metadata[WAITS] = printable(report.waiting)
    return metadata | ({STOPPED_BY: printable(report.stopped_by)} if report.stopped_by else {})


def stop_when_incomplete(metadata: Metadata, source: str = "") -> None:
    """Fail the run when its loader, of this source where there are several, stopped early.

    Raises:
        dagster.Failure: with the reason; loaded rows stay.
    """
    if problem := metadata.get(STOPPED_BY):
        raise dg.Failure(f"{source} stopped early: {problem}".lstrip(), metadata=metadata)


def causes_table(causes: Sequence[TracedCause]) -> dg.TableMetadataValue:
    """A table of which killmail caused which entity to be fetched, with links to zKillboard."""
    return dg.MetadataValue.table(
        [
            dg.TableRecord(
                {
                    "entity": f"{cause.kind} {cause.entity_id}",
                    "name": printable(cause.name or ""),
                    "roles": ", ".join(cause.roles),
                    "killmail": zkillboard_url(cause.killmail_id),
                    "outcome": cause.outcome,
                    "requested": f"{cause.requested_at:%F %T}" if cause.requested_at else "",
                    "queue": cause.queue or "",
                    "message": cause.message_id or "",
                    "published by": cause.publishing_run or "",
                    "done": f"{cause.enriched_at:%F %T}" if cause.enriched_at else "",
                    "fetched by": cause.consuming_run or "",
                    "attempts": cause.attempts or 0,
                }
            )
            for cause in causes
        ]
    )


def names_metadata(report: NamesReport) -> Metadata:
    """Counts of names resolved in bulk."""
    metadata: Metadata = {"named": report.named} if report.named else {}
    metadata |= {"unnameable": report.unnameable} if report.unnameable else {}
    return metadata | ({"names stopped by": printable(report.stopped_by)} if report.stopped_by else {})

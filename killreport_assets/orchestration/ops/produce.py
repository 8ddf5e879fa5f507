"""Dagster's ops that publish messages or look up in bulk: producers, pending entities, affiliations, dead letters."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

import dagster as dg
from pydantic import Field, PositiveInt
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.orchestration.markdown import markdown_list
from killreport_assets.orchestration.metadata import names_metadata
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.settings import Settings
from killreport_assets.workers.affiliations import refresh_affiliations as refresh_outdated
from killreport_assets.workers.dead_letters import list_dead_letters, replay
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.producers import Producer
from killreport_assets.workers.publisher import publish_pending
from killreport_assets.workers.registry import producers


class ProduceConfig(dg.Config):
    """What one run of a producer requests."""

    ids: list[PositiveInt] = Field([], description="ids to request, instead of what is missing or stale")
    urgent: bool = Field(False, description="publish to the priority lane, which is consumed first")


def _producing_op(producer: Producer) -> dg.OpDefinition:
    @dg.op(
        name=f"publish_{producer.name}",
        description=f"Publish {producer.description}",
        out=dg.Out(dg.Nothing),
    )
    def publish(
        context: dg.OpExecutionContext,
        config: ProduceConfig,
        settings: dg.ResourceParam[Settings],
        database: dg.ResourceParam[Engine],
        broker: dg.ResourceParam[WorkBroker],
        esi: dg.ResourceParam[EsiClient],
    ) -> None:
        ttl = timedelta(days=settings.data.entity_ttl_days)
        produced = producer.produce(
            database, broker, esi, ttl, ids=config.ids or None, urgent=config.urgent, run_id=context.run_id
        )
        context.add_output_metadata(asdict(produced))

    return publish


PRODUCING_OPS = {name: _producing_op(producer) for name, producer in producers().items()}


@dg.op(out=dg.Out(dg.Nothing))
def publish_pending_entities(
    context: dg.OpExecutionContext,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
) -> None:
    """Publish pending entities that killmails mention and that are not published yet; resolve their names in bulk."""
    published = publish_pending(database, broker, run_id=context.run_id, include_expired=True)
    depths: dict[str, Any] = {queue.name: broker.depth(queue.name).ready for queue in WORK_QUEUES}
    named = names_metadata(resolve_names(database, esi))
    context.add_output_metadata({"published": published, **depths, **named})


@dg.op(out=dg.Out(dg.Nothing))
def look_up_affiliations(
    context: dg.OpExecutionContext,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
    esi: dg.ResourceParam[EsiClient],
) -> None:
    """Look up the affiliations of known characters in bulk, and store changes as history."""
    report = refresh_outdated(database, esi, timedelta(hours=settings.data.affiliation_ttl_hours))
    metadata: dict[str, Any] = {"looked up": report.looked_up, "changed": report.changed, "refused": report.refused}
    if report.stopped_by:
        raise dg.Failure(f"stopped early: {report.stopped_by}", metadata=metadata)
    context.add_output_metadata(metadata)


class ReplayConfig(dg.Config):
    """Which dead letters to replay."""

    ids: list[int] = Field([], description="dead_letter_ids; empty: all dead letters of the queue")
    queue: str | None = Field(None, description="name of a work queue; empty: all queues")
    urgent: bool = Field(False, description="publish to the priority lane, which is consumed first")


@dg.op(out=dg.Out(dg.Nothing))
def publish_dead_letters(
    context: dg.OpExecutionContext,
    config: ReplayConfig,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
) -> None:
    """Publish dead letters again, with all their attempts available: the configured ones, or all."""
    letters = list_dead_letters(database, queue=config.queue, ids=config.ids or None)
    report = replay(database, broker, [letter.id for letter in letters], urgent=config.urgent)
    metadata: dict[str, Any] = {"replayed": len(report.replayed), "refused": len(report.refused)}
    if report.refused:
        metadata["errors"] = dg.MetadataValue.md(markdown_list(f"{id_}: {why}" for id_, why in report.refused.items()))
    context.add_output_metadata(metadata)

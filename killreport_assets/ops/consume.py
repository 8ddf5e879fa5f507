"""Dagster's consuming ops: their configuration, and the two whose queues fill other assets' tables.

The info queues' consuming ops are their tables' assets (assets/entities.py).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.asset_metadata import asset_key, drain_metadata, table_metadata
from killreport_assets.esi.client import EsiClient
from killreport_assets.ops.drain import run_drain
from killreport_assets.ops.killmail_work import KillmailWork
from killreport_assets.ops.publish import publish_ids, publish_pending
from killreport_assets.ops.work import DrainReport, Work
from killreport_assets.ops.zkillboard_work import ZkillboardCharacterWork
from killreport_assets.queues.broker import DrainBudget, WorkBroker
from killreport_assets.queues.catalogue import KILLMAILS, WORK_QUEUES, ZKILLBOARD_CHARACTERS, WorkQueue
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store import tables


class DrainConfig(dg.Config):
    """How long one drain run works; whatever is reached first ends it."""

    messages: int = Field(DrainBudget.messages, gt=0, description="messages to take")
    seconds: float = Field(DrainBudget.seconds, gt=0, description="seconds to work")
    idle_seconds: float = Field(DrainBudget.idle_seconds, gt=0, description="seconds to wait on an empty queue")
    batch_size: int | None = Field(None, gt=0, description="messages of one transaction; default: the queue's own")
    parallel_fetches: int | None = Field(None, gt=0, description="requests at once; default: the queue's own")
    ids: list[int] = Field([], description="fetch these first, besides what is queued")

    def budget(self, queue: WorkQueue) -> DrainBudget:
        """As the drain of a queue wants it."""
        return DrainBudget(self.messages, self.seconds, self.idle_seconds, self.batch_size or queue.batch_size)


def fail_when_all_failed(report: DrainReport, metadata: Mapping[str, Any]) -> None:
    """Turn the run red when messages were taken and every one of them failed.

    Raises:
        dagster.Failure: with the first errors; the messages are put off or dead, none is lost.
    """
    if report.failed:
        raise dg.Failure(f"all {report.taken} messages failed: {'; '.join(report.errors)}", metadata=dict(metadata))


def _drain_and_report(
    context: dg.OpExecutionContext, config: DrainConfig, database: Engine, broker: WorkBroker, work: Work
) -> None:
    report = run_drain(
        work,
        broker,
        database,
        config.budget(work.queue),
        parallel_fetches=config.parallel_fetches,
        run_id=context.run_id,
    )
    metadata = drain_metadata(report)
    for table in tables.KILLMAIL_TABLES:
        if report.rows[table.name]:
            context.log_event(
                dg.AssetMaterialization(asset_key(table), metadata=metadata | table_metadata(database, table))
            )
    context.add_output_metadata(metadata)
    fail_when_all_failed(report, metadata)


@dg.op(name=f"consume_{KILLMAILS.name}", tags={"killreport/queue": KILLMAILS.name}, out=dg.Out(dg.Nothing))
def consume_killmails(
    context: dg.OpExecutionContext, config: DrainConfig, database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker], esi: dg.ResourceParam[EsiClient],
) -> None:  # fmt: skip
    """Fetch the killmails that are known by id and hash only."""
    _drain_and_report(context, config, database, broker, KillmailWork(esi))


@dg.op(
    name=f"consume_{ZKILLBOARD_CHARACTERS.name}", tags={"killreport/queue": ZKILLBOARD_CHARACTERS.name},
    out=dg.Out(dg.Nothing),
)  # fmt: skip
def consume_zkillboard_characters(
    context: dg.OpExecutionContext, config: DrainConfig, database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker], zkillboard: dg.ResourceParam[Zkillboard],
) -> None:  # fmt: skip
    """List characters' killmails on zKillboard."""
    publish_ids(broker, ZKILLBOARD_CHARACTERS, config.ids, run_id=context.run_id, urgent=True)
    _drain_and_report(context, config, database, broker, ZkillboardCharacterWork(zkillboard, database))


@dg.op(out=dg.Out(dg.Nothing))
def publish_pending_entities(
    context: dg.OpExecutionContext, database: dg.ResourceParam[Engine], broker: dg.ResourceParam[WorkBroker]
) -> None:
    """Publish the entities that killmails mention, that are unknown, and that nobody has published."""
    published = publish_pending(database, broker, run_id=context.run_id)
    depths = {queue.name: broker.depth(queue.name).ready for queue in WORK_QUEUES}
    context.add_output_metadata({"published": published, **depths})


CONSUMING_OPS: dict[WorkQueue, dg.OpDefinition] = {
    ZKILLBOARD_CHARACTERS: consume_zkillboard_characters,
    KILLMAILS: consume_killmails,
}

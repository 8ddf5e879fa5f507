"""Dagster's consuming ops: their configuration, and those whose queues fill other assets' tables.

The info queues' consuming ops are their tables' assets (assets/entities.py).
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg
from pydantic import Field, PositiveInt
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.orchestration.metadata import asset_key, drain_metadata, names_metadata, table_metadata
from killreport_assets.queues.broker import DrainBudget, WorkBroker
from killreport_assets.queues.catalogue import (
    ALLIANCE_CORPORATIONS,
    CORPORATION_KILLMAILS,
    KILLMAILS,
    USER_KILLMAILS,
    ZKILLBOARD_CHARACTERS,
    WorkQueue,
)
from killreport_assets.settings import load_settings
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.schema import tables
from killreport_assets.users.handlers.killmail_lists import (
    CorporationKillmailsWork,
    KillmailListWork,
    UserKillmailsWork,
)
from killreport_assets.users.syncs import intervals
from killreport_assets.users.tokens import TokenKeeper
from killreport_assets.workers.handler import DrainReport, Work
from killreport_assets.workers.handlers.alliance_corporations import AllianceCorporationsWork
from killreport_assets.workers.handlers.killmails import KillmailWork
from killreport_assets.workers.handlers.zkillboard_lists import ZkillboardCharacterWork
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_ids
from killreport_assets.workers.worker import run_drain


class DrainConfig(dg.Config):
    """How long one drain run works; whatever is reached first ends it."""

    messages: int = Field(DrainBudget.messages, gt=0, description="messages to take")
    seconds: float = Field(DrainBudget.seconds, gt=0, description="seconds to work")
    idle_seconds: float = Field(DrainBudget.idle_seconds, gt=0, description="seconds to wait on an empty queue")
    batch_size: int | None = Field(None, gt=0, description="messages of one transaction; default: the queue's own")
    parallel_fetches: int | None = Field(
        None, gt=0, description="requests at once; default: KILLREPORT_PARALLEL_FETCHES, else the queue's own"
    )
    ids: list[PositiveInt] = Field([], description="fetch these first, besides what is queued")

    def budget(self, queue: WorkQueue) -> DrainBudget:
        """As the drain of a queue wants it."""
        return DrainBudget(self.messages, self.seconds, self.idle_seconds, self.batch_size or queue.batch_size)


def drain(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    config: DrainConfig,
    database: Engine,
    broker: WorkBroker,
    work: Work,
) -> DrainReport:
    """Drain the work's queue as the configuration of the run and the settings say."""
    settings = load_settings()
    queue = work.queue
    return run_drain(
        work,
        broker,
        database,
        config.budget(queue),
        run_id=context.run_id,
        parallel_fetches=config.parallel_fetches or settings.queues.parallel_fetches.get(queue.name),
        reconnect_seconds=settings.database.reconnect_seconds,
    )


def fail_when_a_batch_failed(report: DrainReport, metadata: Mapping[str, Any]) -> None:
    """Turn the run red when every message of some batch failed.

    Raises:
        dagster.Failure: with the first errors; the messages are put off or dead, none is lost.
    """
    if report.failed:
        raise dg.Failure(f"all messages of a batch failed: {'; '.join(report.errors)}", metadata=dict(metadata))


def _drain_and_report(
    context: dg.OpExecutionContext,
    config: DrainConfig,
    database: Engine,
    broker: WorkBroker,
    esi: EsiClient,
    work: Work,
) -> None:
    report = drain(context, config, database, broker, work)
    metadata = drain_metadata(report)
    for table in (*tables.KILLMAIL_TABLES, tables.alliance_corporations, tables.syncs):
        if report.rows[table.name]:
            context.log_event(
                dg.AssetMaterialization(asset_key(table), metadata=metadata | table_metadata(database, table))
            )
    metadata |= names_metadata(resolve_names(database, esi))
    context.add_output_metadata(metadata)
    fail_when_a_batch_failed(report, metadata)


@dg.op(name=f"consume_{KILLMAILS.name}", tags={"killreport/queue": KILLMAILS.name}, out=dg.Out(dg.Nothing))
def consume_killmails(
    context: dg.OpExecutionContext,
    config: DrainConfig,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
) -> None:
    """Fetch the killmails that are known by id and hash only."""
    _drain_and_report(context, config, database, broker, esi, KillmailWork(esi))


@dg.op(
    name=f"consume_{ALLIANCE_CORPORATIONS.name}",
    tags={"killreport/queue": ALLIANCE_CORPORATIONS.name},
    out=dg.Out(dg.Nothing),
)
def consume_alliance_corporations(
    context: dg.OpExecutionContext,
    config: DrainConfig,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
) -> None:
    """List alliances' corporations."""
    publish_ids(broker, ALLIANCE_CORPORATIONS, config.ids, run_id=context.run_id, urgent=True)
    _drain_and_report(context, config, database, broker, esi, AllianceCorporationsWork(esi))


@dg.op(
    name=f"consume_{ZKILLBOARD_CHARACTERS.name}",
    tags={"killreport/queue": ZKILLBOARD_CHARACTERS.name},
    out=dg.Out(dg.Nothing),
)
def consume_zkillboard_characters(
    context: dg.OpExecutionContext,
    config: DrainConfig,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
    zkillboard: dg.ResourceParam[Zkillboard],
) -> None:
    """List characters' killmails on zKillboard."""
    publish_ids(broker, ZKILLBOARD_CHARACTERS, config.ids, run_id=context.run_id, urgent=True)
    _drain_and_report(context, config, database, broker, esi, ZkillboardCharacterWork(zkillboard, database))


def _killmail_list_op(queue: WorkQueue, work: type[KillmailListWork]) -> dg.OpDefinition:
    """The consuming op of a queue of killmail lists that only those who have signed in can read."""

    @dg.op(
        name=f"consume_{queue.name}",
        description=queue.description,
        tags={"killreport/queue": queue.name},
        out=dg.Out(dg.Nothing),
    )
    def consume(
        context: dg.OpExecutionContext,
        config: DrainConfig,
        database: dg.ResourceParam[Engine],
        broker: dg.ResourceParam[WorkBroker],
        esi: dg.ResourceParam[EsiClient],
        token_keeper: dg.ResourceParam[TokenKeeper],
    ) -> None:
        publish_ids(broker, queue, config.ids, run_id=context.run_id, urgent=True)
        lists = work(esi, database, token_keeper, intervals(load_settings()))
        _drain_and_report(context, config, database, broker, esi, lists)

    return consume


CONSUMING_OPS: dict[WorkQueue, dg.OpDefinition] = {
    ZKILLBOARD_CHARACTERS: consume_zkillboard_characters,
    USER_KILLMAILS: _killmail_list_op(USER_KILLMAILS, UserKillmailsWork),
    CORPORATION_KILLMAILS: _killmail_list_op(CORPORATION_KILLMAILS, CorporationKillmailsWork),
    KILLMAILS: consume_killmails,
    ALLIANCE_CORPORATIONS: consume_alliance_corporations,
}

"""The assets raw/killmails, its attackers and items, and zKillboard's values: one multi-asset, five sources."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Literal

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.ingest.archives import changed_days, write_archive
from killreport_assets.ingest.feed import follow
from killreport_assets.orchestration.assets.external import EVEREF_KILLMAILS, R2Z2, queue_key
from killreport_assets.orchestration.metadata import (
    Metadata,
    asset_key,
    drain_metadata,
    names_metadata,
    table_metadata,
    table_spec,
)
from killreport_assets.queues.broker import DrainBudget, WorkBroker
from killreport_assets.queues.catalogue import KILLMAILS, ZKILLBOARD_CHARACTERS
from killreport_assets.settings import load_settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.store.killmails import WriteReport
from killreport_assets.store.schema import tables
from killreport_assets.users.handlers.killmail_lists import CorporationKillmailsWork, UserKillmailsWork
from killreport_assets.users.syncs import intervals, queue_now
from killreport_assets.users.tokens import TokenKeeper
from killreport_assets.workers.handler import DrainReport
from killreport_assets.workers.handlers.killmails import KillmailWork
from killreport_assets.workers.handlers.zkillboard_lists import ZkillboardCharacterWork
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import killmail_messages, publish_ids, publish_pending
from killreport_assets.workers.worker import run_drain

log = logging.getLogger(__name__)
MOST_ENTRIES = 5_000
ON_REQUEST = DrainBudget(idle_seconds=2.0)


class R2z2Source(dg.Config):
    """Follow zKillboard's live feed from where it was left."""

    kind: Literal["r2z2"] = "r2z2"
    from_sequence: int | None = Field(None, description="where to begin when there is no cursor yet; default the head")
    most: int = Field(MOST_ENTRIES, gt=0, description="entries to read at most")


class EverefSource(dg.Config):
    """Read EVE Ref's daily archives: those that changed since they were read."""

    kind: Literal["everef"] = "everef"
    days: list[str] = Field([], description="days as YYYY-MM-DD; empty: the newest, see newest_days")
    newest_days: int = Field(1, ge=0, description="so many of the newest days; 0: every day there is")


class ZkillboardSource(dg.Config):
    """List characters on zKillboard: through the work queue, drained at once."""

    kind: Literal["zkillboard"] = "zkillboard"
    character_ids: list[int] = Field(description="whose lists to read")


class EsiKillmail(dg.Config):
    """A killmail by its id and hash."""

    killmail_id: int
    killmail_hash: str


class EsiSource(dg.Config):
    """Fetch killmails from ESI: through the work queue, drained at once."""

    kind: Literal["esi"] = "esi"
    killmails: list[EsiKillmail] = Field(description="what to fetch")


class UserSource(dg.Config):
    """List signed-in characters' killmails on ESI, and fetch what is new: through the work queues, drained at once."""

    kind: Literal["user"] = "user"
    character_ids: list[int] = Field(description="who; their corporations too, where they granted it")


class KillmailsConfig(dg.Config):
    """Where this materialization takes its killmails from."""

    source: R2z2Source | EverefSource | ZkillboardSource | EsiSource | UserSource = Field(
        default=R2z2Source(kind="r2z2", from_sequence=None, most=MOST_ENTRIES),
        discriminator="kind",
        description="r2z2, everef, zkillboard, esi or user",
    )


@dg.multi_asset(
    name="killmails",
    specs=[
        table_spec(
            table,
            "killmails",
            [R2Z2, EVEREF_KILLMAILS, queue_key(ZKILLBOARD_CHARACTERS), queue_key(KILLMAILS)],
            skippable=True,
        )
        for table in tables.KILLMAIL_TABLES
    ],
)
def killmails(
    context: dg.AssetExecutionContext,
    config: KillmailsConfig,
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
    r2z2: dg.ResourceParam[R2z2Feed],
    everef: dg.ResourceParam[EveRef],
    zkillboard: dg.ResourceParam[Zkillboard],
    token_keeper: dg.ResourceParam[TokenKeeper],
) -> Iterator[dg.MaterializeResult[None]]:
    """Find killmails in one source, store what is new, publish what they mention."""
    source, run_id = config.source, context.run_id
    metadata: Metadata = {"source": source.kind}
    try:
        if isinstance(source, R2z2Source):
            metadata |= _from_r2z2(source, r2z2, database)
        elif isinstance(source, EverefSource):
            metadata |= _from_everef(source, everef, database)
        elif isinstance(source, ZkillboardSource):
            publish_ids(broker, ZKILLBOARD_CHARACTERS, source.character_ids, run_id=run_id, urgent=True)
            work = ZkillboardCharacterWork(zkillboard, database)
            budget = replace(ON_REQUEST, batch_size=work.queue.batch_size)
            metadata |= _drained(run_drain(work, broker, database, budget, run_id=run_id))
        elif isinstance(source, UserSource):
            queue_now(database, broker, source.character_ids, esi=esi, run_id=run_id)
            own = [
                work(esi, database, token_keeper, intervals(load_settings()))
                for work in (UserKillmailsWork, CorporationKillmailsWork)
            ]
            for listing in own:
                report = run_drain(listing, broker, database, ON_REQUEST, run_id=run_id)
                metadata |= {f"{listing.subject}: {name}": fact for name, fact in _drained(report).items()}
            metadata |= _drained(run_drain(KillmailWork(esi), broker, database, ON_REQUEST, run_id=run_id))
        else:
            hashes = {killmail.killmail_id: killmail.killmail_hash for killmail in source.killmails}
            broker.publish(KILLMAILS.name, killmail_messages(hashes, run_id), urgent=True)
            metadata |= _drained(run_drain(KillmailWork(esi), broker, database, ON_REQUEST, run_id=run_id))
    finally:
        # Whatever was written before an error has its entities pending: they are published all the same.
        metadata["published"] = publish_pending(database, broker, run_id=run_id)
        metadata |= names_metadata(resolve_names(database, esi))
    if problem := metadata.get("stopped by"):
        raise dg.Failure(f"{source.kind} stopped early: {problem}", metadata=metadata)
    for table in tables.KILLMAIL_TABLES:
        yield dg.MaterializeResult(asset_key(table), metadata=metadata | table_metadata(database, table))


def _from_r2z2(source: R2z2Source, r2z2: R2z2Feed, database: Engine) -> Metadata:
    report = follow(r2z2, database, start=source.from_sequence, most=source.most)
    metadata = _written(report.written) | {
        "first sequence": report.first_sequence,
        "next sequence": report.next_sequence,
        "caught up": str(report.caught_up),
    }
    if report.gaps:
        gaps = ", ".join(f"{first} to {last}" for first, last in report.gaps)
        log.warning("the feed no longer had entries %s: load those days from the archives", gaps)
        metadata["expired entries"] = f"{gaps}: load those days from the archives"
    return metadata | ({"stopped by": report.stopped_by} if report.stopped_by else {})


def _from_everef(source: EverefSource, everef: EveRef, database: Engine) -> Metadata:
    wanted = [date.fromisoformat(day) for day in source.days] or _newest(everef.totals(), source.newest_days)
    written, read, failed = WriteReport(), 0, []
    for day in changed_days(database, everef, wanted):
        try:
            written.add(write_archive(database, everef, day))
            read += 1
        except Gone:
            failed.append(f"{day}: there is no archive of this day (yet)")
        except ServiceError as error:
            failed.append(f"{day}: {error}")
    metadata = _written(written) | {"days asked for": len(wanted), "days read": read}
    return metadata | ({"stopped by": "; ".join(failed[:5])} if failed else {})


def _newest(totals: dict[date, int], newest_days: int) -> list[date]:
    days = sorted(totals)
    if not newest_days:
        return days
    # The days up to the newest that there is: an archive that is missing in between is said, not skipped.
    return [days[-1] - timedelta(days=back) for back in range(newest_days)] if days else []


def _written(report: WriteReport) -> Metadata:
    return {
        "stored": len(report.stored),
        "already there": len(report.already_there),
        "rejected": len(report.rejected),
        "attackers": report.attackers,
        "items": report.items,
    }


def _drained(report: DrainReport) -> Metadata:
    metadata = drain_metadata(report)
    return metadata | ({"stopped by": "; ".join(report.errors)} if report.failed else {})

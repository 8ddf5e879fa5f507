"""Where raw/killmails takes its killmails from: a configuration for each source, which knows how to load it.

A source whose bodies are in hand has a loader in ingest/. The others are read through their work queues, by workers
that run at once.
"""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import dagster as dg
from pydantic import Field

from killreport_assets.ingest.archives import ArchiveLoader
from killreport_assets.ingest.feed import FeedLoader
from killreport_assets.ingest.loader import Loader
from killreport_assets.orchestration.metadata import Metadata, load_metadata, worker_metadata
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import (
    CORPORATION_KILLMAILS,
    KILLMAILS,
    USER_KILLMAILS,
    ZKILLBOARD_CHARACTERS,
    WorkQueue,
)
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.users.syncs import queue_now
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.publisher import killmail_messages, publish_ids
from killreport_assets.workers.registry import registrations
from killreport_assets.workers.worker import run_worker

MAX_ENTRIES = 5_000
ON_REQUEST = WorkerLimits(idle_seconds=2.0)


@dataclass(frozen=True)
class KillmailServices:
    """What the sources are read with, in one run."""

    workers: WorkerContext
    broker: WorkBroker
    r2z2: R2z2Feed
    everef: EveRef
    run_id: str

    def load(self, loader: Loader) -> Metadata:
        """Load a source whose bodies are in hand."""
        return load_metadata(loader.load(self.workers.engine))

    def work(self, queue: WorkQueue) -> Metadata:
        """Handle a queue's messages until it is empty."""
        handler = registrations()[queue].build(self.workers)
        limits = replace(ON_REQUEST, batch_size=queue.batch_size)
        report = run_worker(handler, self.broker, self.workers.engine, limits, run_id=self.run_id)
        return worker_metadata(report) | ({"stopped by": "; ".join(report.errors)} if report.failed else {})


class R2z2Source(dg.Config):
    """Follow zKillboard's live feed from where it was left."""

    kind: Literal["r2z2"] = "r2z2"
    from_sequence: int | None = Field(None, description="where to begin when there is no cursor yet; default the head")
    max_entries: int = Field(MAX_ENTRIES, gt=0, description="entries to read at most")

    def load(self, services: KillmailServices) -> Metadata:
        """Follow the feed."""
        return services.load(FeedLoader(services.r2z2, self.from_sequence, self.max_entries))


class EverefSource(dg.Config):
    """Read EVE Ref's daily archives: those that changed since they were read."""

    kind: Literal["everef"] = "everef"
    days: list[str] = Field([], description="days as YYYY-MM-DD; empty: the newest, see newest_days")
    newest_days: int = Field(1, ge=0, description="so many of the newest days; 0: every day there is")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the archives."""
        days = [date.fromisoformat(day) for day in self.days]
        return services.load(ArchiveLoader(services.everef, days, self.newest_days))


class ZkillboardSource(dg.Config):
    """List characters on zKillboard: through the work queue, handled at once."""

    kind: Literal["zkillboard"] = "zkillboard"
    character_ids: list[int] = Field(description="whose lists to read")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the lists."""
        publish_ids(services.broker, ZKILLBOARD_CHARACTERS, self.character_ids, run_id=services.run_id, urgent=True)
        return services.work(ZKILLBOARD_CHARACTERS)


class EsiKillmail(dg.Config):
    """A killmail by its id and hash."""

    killmail_id: int
    killmail_hash: str


class EsiSource(dg.Config):
    """Fetch killmails from ESI: through the work queue, handled at once."""

    kind: Literal["esi"] = "esi"
    killmails: list[EsiKillmail] = Field(description="what to fetch")

    def load(self, services: KillmailServices) -> Metadata:
        """Fetch the killmails."""
        hashes = {killmail.killmail_id: killmail.killmail_hash for killmail in self.killmails}
        services.broker.publish(KILLMAILS.name, killmail_messages(hashes, services.run_id), urgent=True)
        return services.work(KILLMAILS)


class UserSource(dg.Config):
    """List signed-in characters' killmails on ESI, and fetch what is new: through the work queues, handled at once."""

    kind: Literal["user"] = "user"
    character_ids: list[int] = Field(description="who; their corporations too, where they granted it")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the lists, and fetch what is new on them."""
        workers = services.workers
        queue_now(workers.engine, services.broker, self.character_ids, esi=workers.esi, run_id=services.run_id)
        metadata: Metadata = {}
        for queue, subject in ((USER_KILLMAILS, "character"), (CORPORATION_KILLMAILS, "corporation")):
            metadata |= {f"{subject}: {name}": fact for name, fact in services.work(queue).items()}
        return metadata | services.work(KILLMAILS)


class KillmailsConfig(dg.Config):
    """Where this materialization takes its killmails from."""

    source: R2z2Source | EverefSource | ZkillboardSource | EsiSource | UserSource = Field(
        default=R2z2Source(kind="r2z2", from_sequence=None, max_entries=MAX_ENTRIES),
        discriminator="kind",
        description="r2z2, everef, zkillboard, esi or user",
    )

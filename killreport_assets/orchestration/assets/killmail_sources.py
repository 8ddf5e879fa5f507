"""The sources of raw/killmails: one configuration per source, with the code that loads it.

Sources of whole killmails have a loader in ingest/. The others are read through their work queues, by workers that
start immediately.
"""

from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import dagster as dg
from pydantic import Field
from sqlalchemy.engine import Engine

from killreport_assets.ingest.feed import FeedLoader
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.ingest.loader import Loader
from killreport_assets.orchestration.assets.history import EVEREF_KILLMAILS, ZKILLBOARD_HISTORY
from killreport_assets.orchestration.metadata import STOPPED_BY, Metadata, load_metadata, service_spec, worker_metadata
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import (
    CORPORATION_KILLMAILS,
    KILLMAILS,
    USER_KILLMAILS,
    ZKILLBOARD_CHARACTERS,
    WorkQueue,
)
from killreport_assets.settings import Settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.users.syncs import queue_now
from killreport_assets.workers.handler import WorkerContext
from killreport_assets.workers.publisher import killmail_messages, publish_ids
from killreport_assets.workers.registry import registrations
from killreport_assets.workers.worker import run_worker

KILLMAIL_SERVICES = [
    service_spec("zkillboard/r2z2", "zKillboard's live feed of whole killmails"),
    EVEREF_KILLMAILS,
    ZKILLBOARD_HISTORY,
]
"""The services that the sources of whole killmails, and of their history, read."""
MAX_ENTRIES = 5_000
ON_REQUEST = WorkerLimits(idle_seconds=2.0)


@dataclass(frozen=True)
class KillmailServices:
    """What the sources of one run are read with."""

    workers: WorkerContext
    broker: WorkBroker
    run_id: str

    @property
    def settings(self) -> Settings:
        """What clients are built with."""
        return self.workers.settings

    @property
    def engine(self) -> Engine:
        """The database."""
        return self.workers.engine

    def load(self, loader: Loader) -> Metadata:
        """Load a source of whole killmails."""
        return load_metadata(loader.load(self.engine))

    def work(self, queue: WorkQueue) -> Metadata:
        """Handle a queue's messages until the queue is empty."""
        handler = registrations()[queue].build(self.workers)
        limits = replace(ON_REQUEST, batch_size=queue.batch_size)
        report = run_worker(handler, self.broker, self.engine, limits, run_id=self.run_id)
        return worker_metadata(report) | ({STOPPED_BY: "; ".join(report.errors)} if report.failed else {})


class R2z2Source(dg.Config):
    """Follow zKillboard's live feed from its cursor."""

    kind: Literal["r2z2"] = "r2z2"
    from_sequence: int | None = Field(None, description="where to start without a cursor; default: the feed's head")
    max_entries: int = Field(MAX_ENTRIES, gt=0, description="maximum number of entries to read")

    def load(self, services: KillmailServices) -> Metadata:
        """Follow the feed."""
        with closing(R2z2Feed(services.settings, services.engine)) as feed:
            return services.load(FeedLoader(feed, self.from_sequence, self.max_entries))


class EverefSource(dg.Config):
    """Read EVE Ref's daily archives that changed since they were last read."""

    kind: Literal["everef"] = "everef"
    days: list[str] = Field([], description="days as YYYY-MM-DD; empty: the newest ones, see newest_days")
    newest_days: int = Field(1, ge=0, description="number of newest available days; 0: every available day")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the archives."""
        days = [date.fromisoformat(day) for day in self.days]
        with closing(EveRef(services.settings)) as archives:
            return services.load(HistoryLoader(archives, days or None, self.newest_days))


class ZkillboardSource(dg.Config):
    """Read characters' lists on zKillboard, through the work queue, handled immediately."""

    kind: Literal["zkillboard"] = "zkillboard"
    character_ids: list[int] = Field(description="characters whose lists to read")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the lists."""
        publish_ids(services.broker, ZKILLBOARD_CHARACTERS, self.character_ids, run_id=services.run_id, urgent=True)
        return services.work(ZKILLBOARD_CHARACTERS)


class EsiKillmail(dg.Config):
    """A killmail, by id and hash."""

    killmail_id: int
    killmail_hash: str


class EsiSource(dg.Config):
    """Fetch killmails from ESI, through the work queue, handled immediately."""

    kind: Literal["esi"] = "esi"
    killmails: list[EsiKillmail] = Field(description="killmails to fetch")

    def load(self, services: KillmailServices) -> Metadata:
        """Fetch the killmails."""
        hashes = {killmail.killmail_id: killmail.killmail_hash for killmail in self.killmails}
        services.broker.publish(KILLMAILS.name, killmail_messages(hashes, services.run_id), urgent=True)
        return services.work(KILLMAILS)


class UserSource(dg.Config):
    """Read users' lists on ESI and fetch new killmails, through the work queues, handled immediately."""

    kind: Literal["user"] = "user"
    character_ids: list[int] = Field(description="users whose lists to read; with corporation lists, where granted")

    def load(self, services: KillmailServices) -> Metadata:
        """Read the lists, and fetch their new killmails."""
        workers = services.workers
        queue_now(workers.engine, services.broker, self.character_ids, esi=workers.esi, run_id=services.run_id)
        metadata: Metadata = {}
        for queue, subject in ((USER_KILLMAILS, "character"), (CORPORATION_KILLMAILS, "corporation")):
            metadata |= {f"{subject}: {name}": fact for name, fact in services.work(queue).items()}
        return metadata | services.work(KILLMAILS)


class KillmailsConfig(dg.Config):
    """The source of this materialization."""

    source: R2z2Source | EverefSource | ZkillboardSource | EsiSource | UserSource = Field(
        default=R2z2Source(kind="r2z2", from_sequence=None, max_entries=MAX_ENTRIES),
        discriminator="kind",
        description="r2z2, everef, zkillboard, esi or user",
    )

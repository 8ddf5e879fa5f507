"""Dagster's jobs: what can be launched as a unit. What they do is in assets/ and ops/."""

from typing import Any

import dagster as dg

from killreport_assets.orchestration.checks.killmails import CHECKS
from killreport_assets.orchestration.checks.lineage import LINEAGE_CHECKS
from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.orchestration.ops.consume import WORKER_OPS
from killreport_assets.orchestration.ops.produce import (
    PRODUCING_OPS,
    look_up_affiliations,
    publish_dead_letters,
    publish_pending_entities,
)
from killreport_assets.orchestration.ops.trace import delete_transient_events, observe_entity, observe_killmail
from killreport_assets.queues.catalogue import WORK_QUEUES, WorkQueue
from killreport_assets.store.schema import statistics as statistics_tables
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.users import users
from killreport_assets.workers.producers import Producer
from killreport_assets.workers.registry import producers, registrations

MAX_RUNTIME_SECONDS = 900
"""Longer than any worker's limits: a run that is still there then hangs, and run monitoring ends it."""
QUEUE_TAG = "killreport/queue"
BOUNDED = {"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), "killreport/trigger": "by hand"}
"""A job's tags; what sensors and schedules start says so instead."""


def drain_job_name(queue: WorkQueue) -> str:
    """The name of the job whose runs are workers of a queue."""
    return f"drain_{queue.name}"


def _worker_job(queue: WorkQueue) -> Any:  # an asset job's class is not public in Dagster
    name, tags = drain_job_name(queue), BOUNDED | {QUEUE_TAG: queue.name}
    description = f"Handle the messages of {queue.name}: {queue.description}"
    table = registrations()[queue].table
    if table is not None:
        selection = dg.AssetSelection.assets(asset_key(table))
        return dg.define_asset_job(name, selection, tags=tags, description=description)

    @dg.job(name=name, tags=tags, description=description)
    def work() -> None:
        WORKER_OPS[queue]()

    return work


def _producing_job(producer: Producer) -> dg.JobDefinition:
    tags = BOUNDED | {"killreport/producer": producer.name}

    @dg.job(name=f"queue_{producer.name}", tags=tags, description=f"Publish {producer.description}")
    def publish() -> None:
        PRODUCING_OPS[producer.name]()

    return publish


@dg.job(tags=BOUNDED)
def scan_killmail_entities() -> None:
    """Publish the entities that killmails mention, that are unknown, and that are not published yet; name them."""
    publish_pending_entities()


@dg.job(tags=BOUNDED)
def refresh_affiliations() -> None:
    """Look up in bulk where known characters belong, and keep what has changed as history."""
    look_up_affiliations()


@dg.job(tags=BOUNDED)
def replay_dead_letters() -> None:
    """Publish dead letters again: those of the configuration, or all."""
    publish_dead_letters()


@dg.job(tags=BOUNDED)
def trace_killmail() -> None:
    """Show what one killmail caused (config: killmail_id), as an observation of raw/killmails."""
    observe_killmail()


@dg.job(tags=BOUNDED)
def trace_entity() -> None:
    """Show which killmails caused one entity to be fetched (config: kind, id), as an observation of its table."""
    observe_entity()


@dg.job(tags=BOUNDED)
def purge_event_log() -> None:
    """Keep Dagster's event log small: log lines and transient events go, materializations stay."""
    delete_transient_events()


PRODUCING_JOBS = {name: _producing_job(producer) for name, producer in producers().items()}
WORKER_JOBS = [_worker_job(queue) for queue in WORK_QUEUES]
ingest_killmails = dg.define_asset_job(
    "ingest_killmails",
    dg.AssetSelection.assets(asset_key(tables.killmails)).required_multi_asset_neighbors().without_checks(),
    description="Find killmails in one source (the live feed, unless the configuration says another) and store them",
)
load_static_data = dg.define_asset_job(
    "load_static_data",
    dg.AssetSelection.groups("static_data"),
    description="Load CCP's newest static data export",
)
load_market_history = dg.define_asset_job(
    "load_market_history",
    dg.AssetSelection.assets(asset_key(statistics_tables.market_history)),
    description="Read the market history of the newest days (config: more) or of chosen partitions, where it changed",
)
load_market_prices = dg.define_asset_job(
    "load_market_prices",
    dg.AssetSelection.assets(asset_key(statistics_tables.market_prices)),
    description="Note ESI's prices of the day",
)
queue_users = dg.define_asset_job(
    "queue_users",
    dg.AssetSelection.assets(asset_key(users)),
    tags=BOUNDED | {"killreport/producer": "users"},
    description="Queue the killmail lists of users who are due, or (by configuration) of some now; check the users",
)
check_raw_tables = dg.define_asset_job(
    "check_raw_tables", dg.AssetSelection.checks(*CHECKS), description="Run the checks of the raw tables and queues"
)
check_lineage = dg.define_asset_job(
    "check_lineage",
    dg.AssetSelection.checks(*LINEAGE_CHECKS),
    description="Prove from the tables alone that nothing that killmails mention was forgotten; reads everything",
)
JOBS = [
    ingest_killmails,
    load_static_data,
    load_market_history,
    load_market_prices,
    queue_users,
    scan_killmail_entities,
    refresh_affiliations,
    replay_dead_letters,
    trace_killmail,
    trace_entity,
    purge_event_log,
    check_raw_tables,
    check_lineage,
    *PRODUCING_JOBS.values(),
    *WORKER_JOBS,
]

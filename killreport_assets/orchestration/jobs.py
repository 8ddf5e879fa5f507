"""Dagster's jobs: the units that can be launched. The work itself is in assets/ and ops/."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from killreport_assets.orchestration.automation import (
    BACKLOG_TAG,
    FOR_THE_FEED,
    FOR_USERS,
    PRIORITY_TAG,
    PRODUCER_TAG,
    QUEUE_TAG,
    TRIGGER_TAG,
)
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
from killreport_assets.orchestration.ops.trace import delete_old_events, make_backup, observe_entity, observe_killmail
from killreport_assets.queues.catalogue import WORK_QUEUES, WorkQueue
from killreport_assets.store.schema import statistics as statistics_tables
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.users import users
from killreport_assets.store.schema.wars import wars
from killreport_assets.workers.producers import Producer
from killreport_assets.workers.registry import producers, registrations

MAX_RUNTIME_SECONDS = 900
"""Longer than any worker's limits: a run that exceeds it hangs, and run monitoring terminates it."""
BOUNDED = {"dagster/max_runtime": str(MAX_RUNTIME_SECONDS), TRIGGER_TAG: "by hand"}
"""A job's tags; sensors and schedules override the trigger."""


def drain_job_name(queue: WorkQueue) -> str:
    """The name of the job whose runs are workers of a queue."""
    return f"drain_{queue.name}"


def _worker_job(queue: WorkQueue) -> Any:  # an asset job's class is not public in Dagster
    name, tags = drain_job_name(queue), BOUNDED | {QUEUE_TAG: queue.name}
    tags |= {PRIORITY_TAG: FOR_USERS} if queue.is_for_users else {BACKLOG_TAG: "true"}
    description = f"Handle the messages of {queue.name}: {queue.description}"
    table = registrations()[queue].table
    if table is not None:
        selection = dg.AssetSelection.assets(asset_key(table))
        return dg.define_asset_job(name, selection, tags=tags, description=description)
    return _job_of(name, WORKER_OPS[queue], tags, description)


def _producing_job(producer: Producer) -> dg.JobDefinition:
    tags = BOUNDED | {PRODUCER_TAG: producer.name}
    return _job_of(f"queue_{producer.name}", PRODUCING_OPS[producer.name], tags)


def _job_of(
    name: str, op: dg.OpDefinition, tags: Mapping[str, str] = BOUNDED, description: str | None = None
) -> dg.JobDefinition:
    """A job that runs a single op; its description is the op's unless another is given."""

    @dg.job(name=name, tags=tags, description=description or op.description)
    def run() -> None:
        op()

    return run


scan_killmail_entities = _job_of("scan_killmail_entities", publish_pending_entities)
refresh_affiliations = _job_of("refresh_affiliations", look_up_affiliations)
replay_dead_letters = _job_of("replay_dead_letters", publish_dead_letters)
trace_killmail = _job_of("trace_killmail", observe_killmail)
trace_entity = _job_of("trace_entity", observe_entity)
purge_event_log = _job_of("purge_event_log", delete_old_events)
back_up = _job_of("back_up", make_backup)
PRODUCING_JOBS = {name: _producing_job(producer) for name, producer in producers().items()}
WORKER_JOBS = [_worker_job(queue) for queue in WORK_QUEUES]
ingest_killmails = dg.define_asset_job(
    "ingest_killmails",
    dg.AssetSelection.assets(asset_key(tables.killmails)).required_multi_asset_neighbors().without_checks(),
    tags={PRIORITY_TAG: FOR_THE_FEED},
    description="Load killmails from one source (by default the live feed) and store them",
)
load_static_data = dg.define_asset_job(
    "load_static_data",
    dg.AssetSelection.groups("static_data"),
    description="Load CCP's newest static data export",
)
load_history = dg.define_asset_job(
    "load_history",
    dg.AssetSelection.assets(asset_key(tables.history_days)).without_checks(),
    description="Load the archives of the newest days (configurable), of days that have grown, or of selected "
    "partitions, and request what only zKillboard's lists name",
)
load_wars = dg.define_asset_job(
    "load_wars",
    dg.AssetSelection.assets(asset_key(wars)).required_multi_asset_neighbors(),
    description="Load changed archives of wars (the newest, configurable, or selected partitions), and from ESI wars "
    "that are new or go on",
)
load_sovereignty = dg.define_asset_job(
    "load_sovereignty",
    dg.AssetSelection.groups("sovereignty"),
    description="Store the sovereignty campaigns that ESI lists now",
)
load_market_history = dg.define_asset_job(
    "load_market_history",
    dg.AssetSelection.assets(asset_key(statistics_tables.market_history)),
    description="Load changed market history of the newest days (configurable) or of selected partitions",
)
load_market_prices = dg.define_asset_job(
    "load_market_prices",
    dg.AssetSelection.assets(asset_key(statistics_tables.market_prices)),
    description="Store ESI's prices of the day",
)
export_lake = dg.define_asset_job(
    "export_lake",
    dg.AssetSelection.groups("lake"),
    description="Write what changed since the last export into the lake (KILLREPORT_LAKE_URL)",
)
queue_users = dg.define_asset_job(
    "queue_users",
    dg.AssetSelection.assets(asset_key(users)),
    tags=BOUNDED | {PRODUCER_TAG: "users", PRIORITY_TAG: FOR_USERS},
    description="Publish the killmail lists that are due, or those of the configured users now; check the users",
)
check_raw_tables = dg.define_asset_job(
    "check_raw_tables", dg.AssetSelection.checks(*CHECKS), description="Run the checks of the raw tables and queues"
)
check_lineage = dg.define_asset_job(
    "check_lineage",
    dg.AssetSelection.checks(*LINEAGE_CHECKS),
    description="Check from the tables that every entity of every killmail is known or pending; reads everything",
)
JOBS = [
    ingest_killmails,
    load_static_data,
    load_history,
    load_wars,
    load_sovereignty,
    load_market_history,
    load_market_prices,
    export_lake,
    queue_users,
    scan_killmail_entities,
    refresh_affiliations,
    replay_dead_letters,
    trace_killmail,
    trace_entity,
    purge_event_log,
    back_up,
    check_raw_tables,
    check_lineage,
    *PRODUCING_JOBS.values(),
    *WORKER_JOBS,
]

"""Dagster's jobs: what can be launched as a unit. What they do is in assets/ and ops/."""

import dagster as dg

from killreport_assets.asset_metadata import asset_key
from killreport_assets.checks.killmails import CHECKS
from killreport_assets.ops.consume import CONSUMING_OPS, publish_pending_entities
from killreport_assets.queues.catalogue import WORK_QUEUES, WorkQueue
from killreport_assets.store import tables

MAX_RUNTIME_SECONDS = 900
"""Longer than any budget of a drain: a run that is still there then hangs, and run monitoring ends it."""
QUEUE_TAG = "killreport/queue"


def drain_job_name(queue: WorkQueue) -> str:
    """The name of the job that drains a queue."""
    return f"drain_{queue.name}"


def _tags(queue: WorkQueue) -> dict[str, str]:
    return {QUEUE_TAG: queue.name, "dagster/max_runtime": str(MAX_RUNTIME_SECONDS)}


def _drain_job(queue: WorkQueue):  # type: ignore[no-untyped-def]
    description = f"Drain {queue.name}: {queue.description}"
    if queue not in CONSUMING_OPS:
        selection = dg.AssetSelection.assets(asset_key(tables.DIMENSIONS[queue.kind]))
        return dg.define_asset_job(drain_job_name(queue), selection, tags=_tags(queue), description=description)

    @dg.job(name=drain_job_name(queue), tags=_tags(queue), description=description)
    def drain() -> None:
        CONSUMING_OPS[queue]()

    return drain


@dg.job(tags={"dagster/max_runtime": str(MAX_RUNTIME_SECONDS)})
def scan_killmail_entities() -> None:
    """Publish the entities that killmails mention, that are unknown, and that nobody has published."""
    publish_pending_entities()


DRAIN_JOBS = [_drain_job(queue) for queue in WORK_QUEUES]
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
check_raw_tables = dg.define_asset_job(
    "check_raw_tables", dg.AssetSelection.checks(*CHECKS), description="Run the checks of the raw tables and queues"
)
JOBS = [ingest_killmails, load_static_data, scan_killmail_entities, check_raw_tables, *DRAIN_JOBS]

"""The feed sensor: starts an ingest run when zKillboard's live feed has new entries."""

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.http.errors import ServiceError
from killreport_assets.ingest.feed import has_news
from killreport_assets.orchestration.automation import TRIGGER_TAG, UNFINISHED, sensor_status
from killreport_assets.orchestration.jobs import ingest_killmails
from killreport_assets.settings import Settings
from killreport_assets.sources.r2z2 import R2z2Feed

FEED_RUN = {TRIGGER_TAG: "feed"}


def build_feed_sensor(settings: Settings) -> dg.SensorDefinition:
    """Build the sensor; one run at a time, every `KILLREPORT_FEED_INTERVAL` seconds: the feed has one cursor."""

    @dg.sensor(
        name="r2z2_feed",
        job=ingest_killmails,
        minimum_interval_seconds=settings.schedules.feed_interval,
        default_status=sensor_status(settings),
        description="Starts an ingest run when the live feed has entries after the cursor",
    )
    def r2z2_feed(
        context: dg.SensorEvaluationContext, database: dg.ResourceParam[Engine], r2z2: dg.ResourceParam[R2z2Feed]
    ) -> dg.SensorResult:
        if context.instance.get_runs_count(dg.RunsFilter(statuses=UNFINISHED, tags=FEED_RUN)):
            return dg.SensorResult(skip_reason="a run is following the feed")
        try:
            is_new = has_news(r2z2, database)
        except ServiceError as error:
            return dg.SensorResult(skip_reason=f"the feed cannot be read: {printable(str(error))}")
        if not is_new:
            return dg.SensorResult(skip_reason="caught up")
        return dg.SensorResult(run_requests=[dg.RunRequest(run_key=None, tags=FEED_RUN)])

    return r2z2_feed

"""The judgement: everything that can stop is a problem when it does, and nothing is when all is well."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from killreport_assets.http.pauses import Pace
from killreport_assets.monitoring.dagster_health import DagsterHealth, FailedJob
from killreport_assets.monitoring.problems import problems_of
from killreport_assets.monitoring.queries import Feed
from killreport_assets.monitoring.state import Health
from killreport_assets.queues.broker import Depth
from killreport_assets.settings import load_settings
from killreport_assets.store.feed_repairs import Failure
from killreport_assets.store.history import IncompleteDays
from killreport_assets.users.health import UserHealth

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
QUEUE = "esi_character_info_queue"
WELL_FEED = Feed("r2z2", 100, 99, NOW, NOW, NOW, None, [], 3, 0, 0)
WELL_DAGSTER = DagsterHealth(
    {"ingest_killmails": NOW}, NOW, running=3, is_on={"r2z2_feed": True, "scan": False}, sensor_ticks={"r2z2_feed": NOW}
)


def _ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def _health(**changes: Any) -> Health:
    well = Health(NOW, "/home", "up", "PGMQ", origin="live")
    well.feeds = [WELL_FEED]
    well.dagster = WELL_DAGSTER
    well.queues = {QUEUE: Depth(5, 0, 1, 30.0, 5.0)}
    well.disk_free_bytes = 50 * 2**30
    well.built_at, well.unbuilt_since = NOW, _ago(60)
    return replace(well, **changes)


def _problems(health: Health) -> list[str]:
    return list(problems_of(health, load_settings()))


def test_nothing_is_wrong_when_all_is_well() -> None:
    assert _problems(_health()) == []
    assert _problems(_health(dagster=None, feeds=[], queues={}, disk_free_bytes=None, unbuilt_since=None)) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"disk_free_bytes": 2**30}, "1.0 GiB are free in /home, less than 2"),
        ({"feeds": [replace(WELL_FEED, entries_behind=600_000)]}, "feed r2z2 is 600,000 entries behind"),
        ({"feeds": [replace(WELL_FEED, read_at=_ago(1_020))]}, "feed r2z2 was last read at 2026-11-25 11:43:00 UTC"),
        ({"feeds": [replace(WELL_FEED, read_at=None, moved_at=_ago(1_020))]}, "feed r2z2 was last read at"),
        ({"feeds": [replace(WELL_FEED, failure="R2Z2: 503")]}, "feed r2z2 cannot be read: R2Z2: 503"),
        (
            {"feeds": [replace(WELL_FEED, unreadable=[Failure(7, _ago(300), 5, "broken JSON")] * 2)]},
            "feed r2z2: entry 7 cannot be read (and 1 more): broken JSON",
        ),
        ({"dead_letters": {QUEUE: 2}}, "2 dead letters"),
        ({"queues": {QUEUE: Depth(1, 3, 0)}}, f"{QUEUE}: the broker gave 3 messages up"),
        ({"queues": {QUEUE: Depth(1, 0, 0, 1_502.0)}}, f"{QUEUE}: the oldest message has waited for 1,502 s"),
        ({"queues": {QUEUE: Depth(1, 0, 0, 300.0, 300.0)}}, f"{QUEUE}'s priority lane: the oldest message has waited"),
        ({"users": UserHealth({}, {5: "revoked"}, [])}, "1 users have to sign in again"),
        ({"users": UserHealth({}, {}, ["character:5"])}, "1 killmail lists are late: character:5"),
        ({"budget": [Pace("esi", NOW + timedelta(hours=1), "420", None)]}, "esi is paused until"),
        ({"dev_problems": ["Dagster's UI on port 3000 does not answer (500)"]}, "Dagster's UI on port 3000"),
        ({"dagster": replace(WELL_DAGSTER, heartbeat_at=_ago(61))}, "Dagster's daemon gave its last sign 61 s ago"),
        ({"dagster": replace(WELL_DAGSTER, queued=12, queued_since=_ago(301))}, "12 runs are queued, the oldest for"),
        (
            {"dagster": replace(WELL_DAGSTER, starting=2, starting_since=_ago(121))},
            "2 runs are launched and do not start, the oldest for 121 s: do the code servers answer?",
        ),
        (
            {"dagster": replace(WELL_DAGSTER, failed_jobs=[FailedJob("build", "0123456789", _ago(5))])},
            "job build: its latest run failed at 2026-11-25 11:59:55 UTC (run 01234567)",
        ),
        ({"dagster": replace(WELL_DAGSTER, failing={"r2z2_feed": "no route"})}, "r2z2_feed fails: no route"),
        ({"dagster": replace(WELL_DAGSTER, is_on={"r2z2_feed": False})}, "no schedule and no sensor is on"),
        (
            {"dagster": replace(WELL_DAGSTER, sensor_ticks={"r2z2_feed": _ago(301)})},
            "sensor r2z2_feed last ticked 301 s ago, although it is on",
        ),
        (
            {"incomplete": IncompleteDays(3, 1_300, 2, date(2026, 11, 20), "the archive breaks off")},
            "2 days of history lack killmails, as their archives could not be read; the newest is 2026-11-20 (the",
        ),
        ({"unbuilt_since": _ago(7_201)}, "the marts lack changes since 2026-11-25 09:59:59 UTC"),
    ],
)
def test_what_stops_is_a_problem(change: dict[str, Any], problem: str) -> None:
    [found] = _problems(_health(**change))
    assert found.startswith(problem)


def test_on_the_sandbox_a_feed_that_is_not_followed_is_no_problem() -> None:
    assert _problems(_health(origin="sandbox", feeds=[replace(WELL_FEED, read_at=_ago(90_000))])) == []


def test_without_a_daemon_what_it_would_do_is_no_problem() -> None:
    stopped = replace(WELL_DAGSTER, heartbeat_at=None, is_on={"r2z2_feed": True}, sensor_ticks={"r2z2_feed": _ago(999)})
    assert _problems(_health(dagster=stopped)) == []

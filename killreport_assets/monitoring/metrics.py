"""The platform's health as Prometheus metrics; web/health.py serves them."""

import time
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from killreport_assets.monitoring.health import BUCKETS
from killreport_assets.monitoring.state import Health

Samples = Sequence[tuple[tuple[str, ...], float | None]]
"""Label values and the value; None is left out."""


class HealthCollector(Collector):
    """The platform's health as Prometheus metrics; unknown values have no sample."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        health = self._health
        yield _gauge("healthy", "1 when nothing needs attention", [((), float(health.is_healthy))])
        if health.contents is not None:
            contents = health.contents
            yield _gauge("killmails", "Killmails stored", [((), contents.killmails)])
            yield _gauge("killmails_rejected", "Killmails that could not be stored", [((), contents.rejected)])
            yield _gauge("killmails_last_hour", "Stored within the last hour", [((), health.killmails_last_hour)])
        yield from self._queues()
        yield from self._entities()
        yield from self._services()
        yield from self._syncs()
        yield from self._dagster()
        feeds = [((feed.feed,), feed.entries_behind) for feed in health.feeds]
        yield _gauge("feed_entries_behind", "Entries between our cursor and the feed's head", feeds, "feed")
        moved = [((feed.feed,), feed.moved_at.timestamp()) for feed in health.feeds]
        yield _gauge("feed_moved_timestamp_seconds", "When our cursor moved", moved, "feed")
        read = [((feed.feed,), feed.read_at.timestamp() if feed.read_at else None) for feed in health.feeds]
        yield _gauge("feed_read_timestamp_seconds", "When the feed was last read without a failure", read, "feed")
        unreadable = [((feed.feed,), len(feed.unreadable)) for feed in health.feeds]
        yield _gauge("feed_unreadable_entries", "Entries that cannot be read and are tried again", unreadable, "feed")
        missing = [((feed.feed,), feed.missing) for feed in health.feeds]
        yield _gauge("feed_missing_entries", "Entries that the feed no longer had", missing, "feed")

    def _dagster(self) -> Iterator[Metric]:
        health, now = self._health, self._health.checked_at
        if (dagster := health.dagster) is not None:
            times = [((job,), ended_at.timestamp()) for job, ended_at in dagster.last_success.items()]
            yield _gauge("job_last_success_timestamp_seconds", "When each job last succeeded", times, "job")
            heartbeat = dagster.heartbeat_at
            silence = (now - heartbeat).total_seconds() if heartbeat else None
            yield _gauge("daemon_heartbeat_age_seconds", "Age of the daemon's last heartbeat", [((), silence)])
            yield _gauge("runs_queued", "Runs that wait in Dagster's queue", [((), dagster.queued)])
            yield _gauge("runs_running", "Runs that are running", [((), dagster.running)])
            yield _gauge("jobs_failed", "Jobs whose latest run failed", [((), len(dagster.failed_jobs))])
        lag = (now - health.unbuilt_since).total_seconds() if health.unbuilt_since else 0.0
        yield _gauge("build_delay_seconds", "How long the oldest change has waited for dbt", [((), lag)])
        yield _gauge("disk_free_bytes", "Free space of HOME's disk", [((), health.disk_free_bytes)])

    def _queues(self) -> Iterator[Metric]:
        depths = {name: depth for name, depth in self._health.queues.items() if depth is not None}
        ready = [((name,), depth.ready) for name, depth in depths.items()]
        yield _gauge("queue_ready", "Messages ready, both lanes", ready, "queue")
        in_flight = [((name,), depth.in_flight) for name, depth in depths.items()]
        yield _gauge("queue_in_flight", "Messages delivered but not acknowledged", in_flight, "queue")
        oldest = [((name,), depth.oldest_seconds) for name, depth in depths.items()]
        yield _gauge("queue_oldest_seconds", "How long the oldest message has waited", oldest, "queue")
        urgent = [((name,), depth.oldest_urgent_seconds) for name, depth in depths.items()]
        yield _gauge("queue_oldest_urgent_seconds", "The same of the priority lane", urgent, "queue")
        dead = [((name,), self._health.dead_letters.get(name, 0) + depth.dead) for name, depth in depths.items()]
        yield _gauge("queue_dead", "Dead letters", dead, "queue")
        delayed = [((f"{seconds:g}",), count) for seconds, count in (self._health.delayed or {}).items()]
        yield _gauge("queue_delayed", "Messages that wait for each retry delay", delayed, "tier_seconds")

    def _entities(self) -> Iterator[Metric]:
        states = ("known", "named_only", "gone", "pending", "dead")
        samples = [((kind.kind, state), getattr(kind, state)) for kind in self._health.coverage for state in states]
        yield _gauge("entities", "Entities by state", samples, "kind", "state")

    def _services(self) -> Iterator[Metric]:
        today = self._health.requests_today
        yield _gauge("requests_today", "Requests of this UTC day", [((n,), c[0]) for n, c in today.items()], "service")
        yield _gauge(
            "errors_today", "Failed requests of this UTC day", [((n,), c[1]) for n, c in today.items()], "service"
        )
        rates = [((name,), errors / count) for name, (count, errors) in today.items() if count]
        yield _gauge("error_rate_today", "Share of this UTC day's requests that failed", rates, "service")
        used = [((pace.service,), pace.tokens_used) for pace in self._health.budget]
        yield _gauge("budget_tokens_used", "Tokens used in the current window", used, "bucket")
        limits = [((name,), bucket.max_tokens) for name, bucket in BUCKETS.items()]
        yield _gauge("budget_tokens_limit", "Tokens that a window allows", limits, "bucket")
        paused = [
            ((pace.service,), max(0.0, pace.paused_until.timestamp() - time.time()) if pace.paused_until else 0.0)
            for pace in self._health.budget
        ]
        yield _gauge("paused_seconds", "Seconds until requests resume", paused, "service")

    def _syncs(self) -> Iterator[Metric]:
        users = self._health.users
        states = [((state,), count) for state, count in users.states.items()]
        yield _gauge("users", "Users by state", states, "state")
        yield _gauge("sign_ins_ending", "Users who have to sign in again, or soon", [((), len(users.ending))])
        yield _gauge("lists_late", "Killmail lists not read for twice their interval", [((), len(users.late))])
        syncs = self._health.syncs
        yield _gauge("syncs_last_hour", "Listings of the last hour", [((s.source,), s.count) for s in syncs], "source")
        seconds = [((sync.source,), sync.seconds_mean) for sync in syncs]
        yield _gauge("sync_seconds_mean", "Mean duration of the last hour's listings", seconds, "source")
        rates = [((sync.source,), 1 - sync.failed / sync.count) for sync in syncs if sync.count]
        yield _gauge("sync_success_rate", "Share of the last hour's listings that succeeded", rates, "source")


def _gauge(name: str, what: str, samples: Samples, *labels: str) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(f"killreport_{name}", what, labels=labels)
    for values, value in samples:
        if value is not None:
            gauge.add_metric(values, value)
    return gauge

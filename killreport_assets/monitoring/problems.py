"""The judgement: what in the gathered health needs attention, by outcomes and against the thresholds in the settings.

health.py gathers; nothing here reads a server.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from killreport_assets.monitoring.state import Health
from killreport_assets.settings import Settings

LONG_PAUSE = timedelta(minutes=30)
"""Longer than any limit's window or ESI's daily downtime."""
GIB = 2**30
MAX_NAMED = 5


def problems_of(found: Health, settings: Settings) -> Iterator[str]:
    """Yield a sentence for each problem: what is wrong, by how much, and what to do where that is known."""
    yield from _storage(found, settings)
    yield from _feeds(found, settings)
    yield from _queues(found, settings)
    yield from _users(found)
    yield from _pauses(found)
    yield from _dagster(found, settings)
    yield from _builds(found, settings)
    yield from _history(found)


def _storage(found: Health, settings: Settings) -> Iterator[str]:
    free = found.disk_free_bytes
    if free is not None and free < settings.health.min_free_gib * GIB:
        yield f"{free / GIB:.1f} GiB are free in {found.home}, less than {settings.health.min_free_gib:g}"


def _feeds(found: Health, settings: Settings) -> Iterator[str]:
    limits = settings.health
    for feed in found.feeds:
        if feed.failure is not None:
            yield f"feed {feed.feed} cannot be read: {feed.failure}"
        if feed.entries_behind is not None and feed.entries_behind > limits.max_feed_behind:
            yield f"feed {feed.feed} is {feed.entries_behind:,} entries behind"
        read_at = feed.read_at or feed.moved_at
        if found.origin == "live" and _age(found, read_at) > limits.max_feed_silence:
            yield f"feed {feed.feed} was last read at {read_at:%F %T} UTC: does Dagster run, and is its sensor on?"
        lasting = [failure for failure in feed.unreadable if failure.is_lasting(found.checked_at)]
        if lasting:
            first = lasting[0]
            more = f" (and {len(lasting) - 1} more)" if len(lasting) > 1 else ""
            yield f"feed {feed.feed}: entry {first.sequence} cannot be read{more}: {first.reason}"


def _queues(found: Health, settings: Settings) -> Iterator[str]:
    if dead := sum(found.dead_letters.values()):
        yield f"{dead} dead letters: killreport dead-letters list"
    for name, depth in found.queues.items():
        if depth is None:
            continue
        if depth.dead:
            yield f"{name}: the broker gave {depth.dead} messages up; the next worker tries them again"
        limits = settings.health
        for lane, oldest, limit in (
            ("", depth.oldest_seconds, limits.max_message_age),
            ("'s priority lane", depth.oldest_urgent_seconds, limits.max_urgent_age),
        ):
            if oldest is not None and oldest > limit:
                yield f"{name}{lane}: the oldest message has waited for {oldest:,.0f} s, more than {limit:,}"


def _users(found: Health) -> Iterator[str]:
    if found.users.ending:
        yield f"{len(found.users.ending)} users have to sign in again: killreport users list"
    if found.users.late:
        yield f"{len(found.users.late)} killmail lists are late: {', '.join(found.users.late[:MAX_NAMED])}"


def _pauses(found: Health) -> Iterator[str]:
    for pace in found.budget:
        if pace.paused_until is not None and pace.paused_until - found.checked_at > LONG_PAUSE:
            yield f"{pace.service} is paused until {pace.paused_until:%F %T} UTC: {pace.pause_reason}"


def _dagster(found: Health, settings: Settings) -> Iterator[str]:
    dagster, limits = found.dagster, settings.health
    yield from found.dev_problems
    if dagster is None:
        return
    is_alive = False
    if dagster.heartbeat_at is not None:
        silence = _age(found, dagster.heartbeat_at)
        is_alive = silence <= limits.max_daemon_silence
        if not is_alive:
            yield f"Dagster's daemon gave its last sign {silence:,.0f} s ago: schedules, sensors and runs stand still"
    if dagster.queued_since is not None and _age(found, dagster.queued_since) > limits.max_run_wait:
        waited = _age(found, dagster.queued_since)
        yield f"{dagster.queued} runs are queued, the oldest for {waited:,.0f} s, more than {limits.max_run_wait:,}"
    is_on_celery = settings.operator.run_launcher == "celery"
    limit = limits.max_run_wait if is_on_celery else limits.max_run_start  # there it is a queue, too
    if dagster.starting_since is not None and _age(found, dagster.starting_since) > limit:
        waited = _age(found, dagster.starting_since)
        remedy = "are enough of `killreport run-worker` up?" if is_on_celery else "do the code servers answer?"
        yield f"{dagster.starting} runs are launched and do not start, the oldest for {waited:,.0f} s: {remedy}"
    for failed in dagster.failed_jobs:
        yield f"job {failed.job}: its latest run failed at {failed.ended_at:%F %T} UTC (run {failed.run_id[:8]})"
    for name, error in dagster.failing.items():
        yield f"{name} fails: {error}"
    if not is_alive:
        return
    if not dagster.is_on:
        yield "Dagster knows no schedule and no sensor that was ever on: do the code locations load? Its UI shows it"
    if found.origin == "live" and dagster.is_on and not any(dagster.is_on.values()):
        yield "no schedule and no sensor is on: switch them on in the UI, under Automation"
    for name, ticked_at in dagster.sensor_ticks.items():
        if dagster.is_on.get(name) and _age(found, ticked_at) > limits.max_tick_silence:
            yield f"sensor {name} last ticked {_age(found, ticked_at):,.0f} s ago, although it is on"


def _builds(found: Health, settings: Settings) -> Iterator[str]:
    changed_at = found.unbuilt_since
    if changed_at is not None and _age(found, changed_at) > settings.health.max_build_delay:
        built = f"last built at {found.built_at:%F %T} UTC" if found.built_at else "never built"
        yield f"the marts lack changes since {changed_at:%F %T} UTC ({built}): does the job of the transforms succeed?"


def _history(found: Health) -> Iterator[str]:
    incomplete = found.incomplete
    if incomplete is not None and incomplete.broken:
        yield (
            f"{incomplete.broken} days of history lack killmails, as their archives could not be read; the newest is "
            f"{incomplete.newest_broken} ({incomplete.reason}): killreport history load"
        )


def _age(found: Health, at: datetime) -> float:
    return (found.checked_at - at).total_seconds()

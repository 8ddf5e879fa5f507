"""`killreport status`: the platform's health as tables or JSON."""

from humanize import naturaltime
from rich.markup import escape
from rich.table import Table

from killreport_assets.cli.output import out, print_json
from killreport_assets.monitoring.health import BUCKETS, check_health
from killreport_assets.monitoring.state import Health
from killreport_assets.settings import Settings


def show_status(settings: Settings, *, as_json: bool) -> bool:
    """Print the platform's health; False when something needs attention. Starts nothing."""
    found = check_health(settings)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    return found.is_healthy


def _print(found: Health) -> None:
    out.print(f"home: {escape(found.home)}")
    out.print(f"PostgreSQL: {escape(found.database)}")
    out.print(f"work queues: {found.broker}")
    if found.schema_version:
        out.print(f"schema: version {found.schema_version}; origin: {found.origin or 'nothing stored yet'}")
    shown = (_contents, _coverage, _queues, _feeds, _budget, _dagster, _jobs)
    for table in (show(found) for show in shown):
        if table is not None and table.row_count:
            out.print()
            out.print(table)
    out.print()
    for problem in found.problems:
        out.print(f"[bold red]problem:[/] {escape(problem)}")
    if found.is_healthy:
        out.print("[green]healthy[/]")


def _table(*headers: str) -> Table:
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for index, header in enumerate(headers):
        table.add_column(header, justify="right" if index else "left")
    return table


def _contents(found: Health) -> Table | None:
    if found.contents is None:
        return None
    contents = found.contents
    table = _table("stored", "")
    for name, count in (
        ("killmails", contents.killmails),
        ("of the last hour", found.killmails_last_hour),
        ("attackers", contents.attackers),
        ("items", contents.items),
        ("rejected killmails", contents.rejected),
        ("dead letters", sum(found.dead_letters.values())),
    ):
        table.add_row(name, _shown(count))
    for state, count in found.users.states.items():
        table.add_row(f"users {state}", _shown(count))
    for sync in found.syncs:
        table.add_row(f"{sync.source} listings of the last hour", f"{sync.count:,} ({sync.failed:,} failed)")
    return table


def _coverage(found: Health) -> Table:
    table = _table("entities", "known", "named only", "gone", "pending", "dead")
    for kind in found.coverage:
        numbers = (kind.known, kind.named_only, kind.gone, kind.pending, kind.dead)
        table.add_row(f"{kind.kind}s", *map(_shown, numbers))
    return table


def _queues(found: Health) -> Table:
    table = _table("queue", "ready", "in flight", "oldest", "dead")
    for name, depth in found.queues.items():
        dead = found.dead_letters.get(name, 0) + (depth.dead if depth else 0)
        if depth is None:
            table.add_row(name, "?", "?", "?", _shown(dead))
        else:
            age = f"{depth.oldest_seconds:.0f} s" if depth.oldest_seconds is not None else "?" if depth.ready else "-"
            table.add_row(name, _shown(depth.ready), _shown(depth.in_flight), age, _shown(dead))
    for seconds, count in (found.delayed or {}).items():
        table.add_row(f"delayed by {seconds:g} s and more", _shown(count))
    return table


def _feeds(found: Health) -> Table:
    table = _table("feed", "next entry", "behind", "moved", "last read", "unreadable", "missing", "to request")
    for feed in found.feeds:
        table.add_row(
            feed.feed,
            _shown(feed.next_sequence),
            _shown(feed.entries_behind),
            naturaltime(feed.moved_at),
            naturaltime(feed.read_at) if feed.read_at else "?",
            _shown(len(feed.unreadable)),
            _shown(feed.missing),
            _shown(feed.unrequested),
        )
    return table


def _budget(found: Health) -> Table:
    table = _table("requests", "today", "errors", "tokens used", "paused")
    for pace in found.budget:
        asked, errors = found.requests_today.get(pace.service, (None, None))
        bucket = BUCKETS.get(pace.service)
        used = f"{pace.tokens_used:,} of {bucket.max_tokens:,}" if bucket and pace.tokens_used is not None else ""
        paused = f"until {pace.paused_until:%T}: {escape(str(pace.pause_reason))}" if pace.paused_until else ""
        counts = ("", "") if bucket else (_shown(asked or 0), _shown(errors or 0))
        table.add_row(pace.service, *counts, used, paused)
    return table


def _dagster(found: Health) -> Table:
    table = _table("Dagster", "")
    if (dagster := found.dagster) is not None:
        heartbeat = naturaltime(dagster.heartbeat_at) if dagster.heartbeat_at else "no daemon runs"
        table.add_row("daemon's last heartbeat", heartbeat)
        waiting = f", the oldest since {dagster.queued_since:%T}" if dagster.queued_since else ""
        table.add_row("runs", f"{dagster.running:,} running, {dagster.queued:,} queued{waiting}")
        on = sum(dagster.is_on.values())
        table.add_row("schedules and sensors on", f"{on} of {len(dagster.is_on)}" if dagster.is_on else "?")
    if (incomplete := found.incomplete) is not None:
        lacking = f"{incomplete.days:,}, which lack {incomplete.lacking:,} killmails" if incomplete.days else "none"
        table.add_row("incomplete days of history", lacking)
    table.add_row("last dbt build", naturaltime(found.built_at) if found.built_at else "none")
    return table


def _jobs(found: Health) -> Table:
    table = _table("job", "last success")
    for job, ended_at in (found.dagster.last_success if found.dagster else {}).items():
        table.add_row(job, naturaltime(ended_at))
    return table


def _shown(number: int | None) -> str:
    return "?" if number is None else f"{number:,}"

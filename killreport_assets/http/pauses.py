"""The state of the request budget, for people and sensors, and its purge. ledger.py writes bookings and pauses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.http.clock_jumps import Clock, follow_clock

CLOCK_JUMP_SECONDS = 30.0
"""Nothing in the ledger is so far ahead of PostgreSQL's clock, unless that clock has gone back."""


def is_paused(sql_clock: str, pace: str = "request_pace") -> str:
    """The SQL condition that the pause of a row of `ops.request_pace`, or of this alias of it, has not ended."""
    return (
        f"({pace}.paused_until > {sql_clock} and "
        f"coalesce({pace}.paused_at, {sql_clock}) <= {sql_clock} + make_interval(secs => {CLOCK_JUMP_SECONDS}))"
    )


@dataclass(frozen=True)
class Pace:
    """One service, or one of its token buckets."""

    service: str
    paused_until: datetime | None
    pause_reason: str | None
    tokens_used: int | None
    """Tokens used in the current window; None for a service as a whole."""


@dataclass(frozen=True)
class Pause:
    """No request to `service` (a service or one of its buckets) is sent before `until`."""

    service: str
    reason: str
    until: datetime


def longest_pause(
    connection: Connection, services: Sequence[str], sql_clock: str = "clock_timestamp()"
) -> Pause | None:
    """The pause of these services and buckets that ends last; None if none is paused."""
    row = connection.execute(
        sa.text(f"""
        select service, pause_reason, paused_until from ops.request_pace
        where service = any(:services) and {is_paused(sql_clock)} order by paused_until desc limit 1
        """),
        {"services": list(services)},
    ).one_or_none()
    return Pause(row.service, str(row.pause_reason), row.paused_until) if row is not None else None


def pauses(connection: Connection) -> list[Pause]:
    """Every pause that has not ended, the one that ends first first."""
    rows = connection.execute(
        sa.text(f"""
        select service, pause_reason, paused_until from ops.request_pace
        where {is_paused("clock_timestamp()")} order by paused_until, service
        """)
    )
    return [Pause(row.service, str(row.pause_reason), row.paused_until) for row in rows]


def lift_pauses(connection: Connection, services: Sequence[str]) -> list[str]:
    """End the pauses of these services and buckets now; returns those that were paused."""
    rows = connection.execute(
        sa.text(f"""
        update ops.request_pace set paused_until = null, pause_reason = null, paused_at = null
        where service = any(:services) and {is_paused("clock_timestamp()")} returning service
        """),
        {"services": list(services)},
    )
    return sorted(rows.scalars())


def paces(connection: Connection, windows: dict[str, float]) -> list[Pace]:
    """Every service and bucket ever used; `windows` maps names of buckets to the seconds of their windows."""
    rows = connection.execute(
        sa.text(f"""
        select p.service, case when {is_paused("now()", "p")} then p.paused_until end as paused_until, p.pause_reason,
               w.seconds, coalesce((
                   select sum(t.tokens) from ops.request_tokens t
                   where t.bucket = p.service and t.spent_in > now() - make_interval(secs => w.seconds)), 0) as used
        from ops.request_pace p
        left join unnest(cast(:names as text[]), cast(:seconds as float8[])) as w (name, seconds) on w.name = p.service
        where p.service not like '%:%:%'  -- not the buckets of token owners
        order by p.service
        """),
        {"names": list(windows), "seconds": list(windows.values())},
    )
    return [
        Pace(
            row.service,
            row.paused_until,
            row.pause_reason if row.paused_until else None,
            None if row.seconds is None else int(row.used),
        )
        for row in rows
    ]


def purge_idle_token_buckets(connection: Connection, idle_for: timedelta) -> None:
    """Delete token owners' buckets that were idle for `idle_for`: a bucket idle for longer than its window is full.

    Call it first in a transaction, see `follow_clock`.
    """
    follow_clock(connection, Clock())  # or a jump would be taken for time without requests
    connection.execute(
        sa.text(f"""
        with idle as (
            select service from ops.request_pace
            where service like '%:%:%:%' and next_at < now() - cast(:idle_for as interval)
                and {is_paused("now()")} is not true
            for update skip locked  -- in the order of ledger.py: first the pace, then the tokens
        ), gone as (
            delete from ops.request_pace p using idle where p.service = idle.service returning p.service
        )
        delete from ops.request_tokens t using gone where t.bucket = gone.service
        """),
        {"idle_for": idle_for},
    )

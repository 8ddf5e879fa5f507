"""When each killmail list is due, and how far it was read: `ops.killmail_lists`. SQL only; handlers/ read lists."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.settings import Settings

OF_USER, OF_CORPORATION = "user_killmails", "corporation_killmails"
"""Kinds of lists, the same as those of their queues' messages."""
_LISTS = f"""
    select l.*, r.interval_seconds
    from ops.killmail_lists l
    join (
        select kind, subject_id,
               min(coalesce(own_seconds, case tier when 'premium' then :premium else :standard end)) as interval_seconds
        from (
            select '{OF_USER}' as kind, character_id as subject_id, interval_seconds as own_seconds, tier
            from ops.sign_ins where state = 'active'
            union all
            select '{OF_CORPORATION}', corporation_id, interval_seconds, tier
            from ops.sign_ins
            where state = 'active' and corporation_state = 'on'
                and (corporation_retry_at is null or corporation_retry_at <= now())
        ) readable group by kind, subject_id
    ) r on r.kind = l.list_kind and r.subject_id = l.subject_id
"""
"""Lists that a user's sign-in can read, each with the shortest interval of its users."""


@dataclass(frozen=True)
class Intervals:
    """The tiers' intervals."""

    standard: int
    premium: int


def intervals(settings: Settings) -> Intervals:
    """Return the tiers' intervals from the settings."""
    return Intervals(settings.users.standard_interval, settings.users.premium_interval)


@dataclass(frozen=True)
class KillmailList:
    """One list that a user's sign-in can read."""

    kind: str
    subject_id: int
    interval: timedelta
    next_at: datetime
    synced_at: datetime | None
    fresh_until: datetime | None
    failures: int
    etag: str | None
    resume_page: int | None
    newest_killmail_id: int | None
    newest_killmail_at: datetime | None
    created_at: datetime


_COLUMNS = (
    "list_kind, subject_id, make_interval(secs => interval_seconds), next_at, synced_at, fresh_until, failures, etag, "
    "resume_page, newest_killmail_id, newest_killmail_at, created_at"
)


def readable_lists(
    connection: Connection, intervals: Intervals, *, kind: str | None = None, subject_ids: Sequence[int] | None = None
) -> list[KillmailList]:
    """Return the lists that a user's sign-in can read, optionally only those of a kind or with these subjects."""
    rows = connection.execute(
        sa.text(f"""
        select {_COLUMNS} from ({_LISTS}) l
        where list_kind = coalesce(:kind, list_kind)
            and (:all or subject_id = any(cast(:subjects as bigint[])))
        order by next_at, list_kind, subject_id
        """),
        {
            "standard": intervals.standard,
            "premium": intervals.premium,
            "kind": kind,
            "all": subject_ids is None,
            "subjects": list(subject_ids or []),
        },
    )
    return [KillmailList(*row) for row in rows]


def due_lists(connection: Connection, intervals: Intervals, ahead: timedelta) -> list[KillmailList]:
    """Return the lists that are due within `ahead`, and of which ESI has something newer by then."""
    limit = connection.execute(sa.text("select now() + cast(:ahead as interval)"), {"ahead": ahead}).scalar_one()
    return [
        one
        for one in readable_lists(connection, intervals)
        if one.next_at <= limit and (one.fresh_until is None or one.fresh_until <= limit)
    ]


@dataclass(frozen=True)
class ListState:
    """The state of a list after an attempt to read it."""

    kind: str
    subject_id: int
    next_at: datetime
    outcome: str
    is_success: bool
    fresh_until: datetime | None
    etag: str | None
    resume_page: int | None
    newest_killmail_id: int | None
    newest_killmail_at: datetime | None


def write_state(connection: Connection, state: ListState) -> None:
    """Store the state of a list after an attempt to read it."""
    connection.execute(
        sa.text("""
        update ops.killmail_lists set
            next_at = :next_at, outcome = :outcome, etag = :etag, resume_page = :resume_page,
            synced_at = case when :is_success then now() else synced_at end,
            failures = case when :is_success then 0 else failures + 1 end,
            fresh_until = coalesce(:fresh_until, fresh_until),
            newest_killmail_id = :newest, newest_killmail_at = :newest_at
        where list_kind = :kind and subject_id = :subject
        """),
        {
            "kind": state.kind,
            "subject": state.subject_id,
            "next_at": state.next_at,
            "outcome": state.outcome,
            "is_success": state.is_success,
            "fresh_until": state.fresh_until,
            "etag": state.etag,
            "resume_page": state.resume_page,
            "newest": state.newest_killmail_id,
            "newest_at": state.newest_killmail_at,
        },
    )


def killmail_time(connection: Connection, killmail_id: int | None) -> datetime | None:
    """Return when a killmail happened; None if it is not stored."""
    return connection.execute(
        sa.text("select max(killmail_time) from raw.killmails where killmail_id = :id"), {"id": killmail_id}
    ).scalar()

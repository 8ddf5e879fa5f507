"""Jumps of PostgreSQL's clock, by which the ledger counts: the ledger's times move with it. Waits for nothing.

A machine's own clock, which never jumps, is the witness: how far PostgreSQL's is ahead of it is kept for every machine,
so that a process which has just begun sees a jump, too. A machine that has just been started knows of none.
"""

import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TOLERANCE = 0.1
"""Seconds that two clocks may drift apart before the ledger follows; bookings outlast their window by more."""
log = logging.getLogger(__name__)


class ClockJumped(Exception):
    """PostgreSQL's clock has jumped: the transaction has counted with wrong times and must not be committed."""


@cache
def this_machine() -> str:
    """The name of the clock that `time.monotonic` reads: of this machine since it was started."""
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else platform.node()


@dataclass(frozen=True)
class Clock:
    """This process's clock; simulations replace it."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sql: str = "clock_timestamp()"
    """The SQL expression for PostgreSQL's current time."""
    machine: str = ""
    """Where `monotonic` is the same for every process; empty: this machine."""

    @property
    def witness(self) -> str:
        """The machine's name in `ops.request_clocks`."""
        return self.machine or this_machine()


@dataclass(frozen=True)
class Ahead:
    """How far PostgreSQL's clock is ahead of the machine's, in seconds: a lower and an upper bound."""

    at_least: float
    at_most: float

    @classmethod
    def read(cls, sent: float, received: float, now: float) -> "Ahead":
        """The bounds by one reading: PostgreSQL read `now` between `sent` and `received` of the machine's clock."""
        return cls(now - received, now - sent)

    def has_jumped(self, before: "Ahead", tolerance: float = TOLERANCE) -> bool:
        """Whether no reading without a jump can give these bounds after those."""
        return self.at_least > before.at_most + tolerance or self.at_most < before.at_least - tolerance

    def within(self, before: "Ahead") -> "Ahead":
        """The bounds by both readings: each can only narrow those of the other."""
        return Ahead(max(self.at_least, before.at_least), min(self.at_most, before.at_most))


KNOWN_AHEAD = ", ".join(
    f"(select {column} from ops.request_clocks where machine = :machine)"
    for column in ("ahead_at_least", "ahead_at_most")
)
"""SQL expressions for what is known of a machine, as two columns, null for one that is not known."""


def follow_clock(connection: Connection, clock: Clock) -> None:
    """Move every booking, pause and granted time as far as PostgreSQL's clock has jumped since the last reading.

    Call it first in a transaction: its locks are those of all buckets, in the order in which ledger.py takes them.
    """
    connection.execute(sa.text("select from ops.request_clocks order by machine for update"))
    sent = clock.monotonic()
    now, at_least, at_most = connection.execute(
        sa.text(f"select extract(epoch from {clock.sql})::float8, {KNOWN_AHEAD}"), {"machine": clock.witness}
    ).one()
    ahead = Ahead.read(sent, clock.monotonic(), now)
    if at_least is not None:
        before = Ahead(at_least, at_most)
        if ahead.has_jumped(before):
            _move_ledger(connection, ahead.at_least - before.at_most, ahead.at_most - before.at_least)
        else:
            ahead = ahead.within(before)
    connection.execute(
        sa.text("""
        insert into ops.request_clocks (machine, ahead_at_least, ahead_at_most) values (:machine, :at_least, :at_most)
        on conflict (machine) do update
        set ahead_at_least = excluded.ahead_at_least, ahead_at_most = excluded.ahead_at_most
        """),
        {"machine": clock.witness, "at_least": ahead.at_least, "at_most": ahead.at_most},
    )


def _move_ledger(connection: Connection, at_least: float, at_most: float) -> None:
    """Move everything by the most that the clock can have jumped: what is moved too far only waits longer."""
    log.warning("PostgreSQL's clock has jumped by %.1f s: the request budget moves with it", at_most)
    connection.execute(sa.text("select from ops.request_pace order by service desc for update"))  # buckets come first
    jump = {"at_least": at_least, "at_most": at_most}
    for statement in (
        """
        update ops.request_pace set next_at = next_at + make_interval(secs => :at_most),
            paused_until = paused_until + make_interval(secs => :at_most),
            paused_at = paused_at + make_interval(secs => :at_most)
        """,
        # In whole seconds, as they are booked; sorted, so that all are deleted before the first is inserted.
        """
        with moved as (delete from ops.request_tokens returning *)
        insert into ops.request_tokens (bucket, spent_in, tokens, unsettled)
        select bucket, spent_in + make_interval(secs => ceil(:at_most)), tokens, unsettled from moved order by spent_in
        """,
        """
        update ops.request_clocks
        set ahead_at_least = ahead_at_least + :at_least, ahead_at_most = ahead_at_most + :at_most
        """,
    ):
        connection.execute(sa.text(statement), jump)

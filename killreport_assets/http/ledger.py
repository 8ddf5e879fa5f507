"""The request budget's ledger in PostgreSQL, shared by all processes: rate limits, token buckets, pauses. SQL only.

All times are PostgreSQL's, so the clocks of machines do not matter. rate_limit.py decides when a process may send.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.http.clock_jumps import KNOWN_AHEAD, Ahead, Clock, ClockJumped, follow_clock
from killreport_assets.http.errors import Throttled
from killreport_assets.http.pauses import CLOCK_JUMP_SECONDS, is_paused, longest_pause
from killreport_assets.http.token_bucket import TokenBucket

UNANSWERED_SECONDS = 120.0
"""Longer than any request takes: a process that has not recorded a booking's cost by then is dead."""
SHARES = 8
"""One process books at most 1/SHARES of a bucket at once, so that tokens remain for the others."""
CAUTION = 1.005
"""The factor by which a booking outlasts its window: a service may charge an answer a little after the request."""
BOOKING_KEPT_SECONDS = 120.0
"""How long bookings are kept after their window: an observation is compared with the bookings of its own time."""


@dataclass(frozen=True)
class Booking:
    """Requests booked in a bucket, identified by the second by which they are spent."""

    bucket: TokenBucket
    spent_in: datetime


@dataclass
class Refund:
    """Answers to requests of a booking, and the booked tokens that they did not cost."""

    answers: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class Observation:
    """A server's report on a bucket: tokens used in the window that ended at `at`."""

    used: int
    at: datetime


@dataclass(frozen=True)
class Reservation:
    """`count` requests granted from `begin` on, in seconds of PostgreSQL's clock; with 0, reserve again after `wait`.

    `now` is PostgreSQL's time, read between `sent` and `received` of the process's clock.
    """

    count: int
    begin: float
    now: float
    sent: float
    received: float
    booking: Booking | None = None
    wait: float = 0.0


@dataclass
class Totals:
    """Requests, tokens and errors of one bucket."""

    requests: int = 0
    tokens: int = 0
    errors: int = 0


class TokensSpent(Throttled):
    """A bucket has no tokens left before `until`; `wait` is the seconds until then."""

    def __init__(self, reason: str, until: datetime, token_owner: str, wait: float) -> None:
        super().__init__(reason, until, token_owner)
        self.wait = wait


class Ledger:
    """The ledger of one service."""

    def __init__(self, engine: Engine, service: str, clock: Clock) -> None:
        self._engine = engine
        self._service = service
        self._process_clock = clock
        self._clock = clock.sql
        self._monotonic = clock.monotonic

    def follow_clock(self) -> None:
        """Move the ledger with PostgreSQL's clock if that has jumped; call it before the first reservation, too."""
        with self.transaction() as connection:
            follow_clock(connection, self._process_clock)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a transaction whose commit does not wait for the disk.

        A crash of PostgreSQL can lose the last half second of bookings; its restart takes longer than that.
        """
        with self._engine.begin() as connection:
            connection.exec_driver_sql("set local synchronous_commit = off")
            yield connection

    def reserve(
        self, connection: Connection, bucket: TokenBucket | None, wanted: int, gap: float, max_ahead: float
    ) -> Reservation:
        """Book up to `wanted` requests, `gap` seconds apart; none if the first is more than `max_ahead` seconds away.

        Raises:
            Throttled: the service or the bucket is paused; has the end of the pause.
            TokensSpent: the bucket has no tokens left; has the time when it has some again.
            ClockJumped: PostgreSQL's clock has; roll back, and let the ledger follow it.
        """
        self._raise_when_paused(connection, bucket)
        if bucket is not None:
            share = max(1, bucket.max_tokens // bucket.max_cost // SHARES)
            wanted = min(wanted, share, self._affordable(connection, bucket))
            if wanted < 1:
                return replace(self._nothing_reserved(connection, max_ahead), wait=gap)
        length = wanted * gap
        sent = self._monotonic()
        granted = connection.execute(
            sa.text(f"""
            insert into ops.request_pace as pace (service, next_at)
            values (:service, {self._clock} + make_interval(secs => :length))
            on conflict (service) do update
            set next_at = case
                    -- The clock has gone back: after everything that was granted before.
                    when pace.next_at > {self._clock} + make_interval(secs => :jump)
                        then {self._clock} + make_interval(secs => 2 * :max_ahead)
                    else greatest(pace.next_at, {self._clock})
                end + make_interval(secs => :length)
            where pace.next_at <= {self._clock} + make_interval(secs => :max_ahead)
                or pace.next_at > {self._clock} + make_interval(secs => :jump)
            returning extract(epoch from next_at)::float8 - :length, {self._reading}
            """),
            {
                "service": self._service,
                "length": length,
                "max_ahead": max_ahead,
                "jump": CLOCK_JUMP_SECONDS,
                "machine": self._process_clock.witness,
            },
        ).one_or_none()
        if granted is None:
            return self._nothing_reserved(connection, max_ahead)
        received = self._monotonic()
        begin, now, *known = granted
        _refuse_jump(Ahead.read(sent, received, now), *known)
        booking = None
        if bucket is not None:
            # The second after the last request: never before it is spent.
            last = datetime.fromtimestamp(begin + length, UTC).replace(microsecond=0)
            booking = Booking(bucket, last + timedelta(seconds=1))
            self._book(connection, booking, wanted * bucket.max_cost, wanted)
        return Reservation(wanted, begin, now, sent, received, booking)

    def check_pauses(self, bucket: TokenBucket | None) -> None:
        """Look whether the service or the bucket is paused.

        Raises:
            Throttled: it is; has the end of the pause.
        """
        with self._engine.connect() as connection:
            self._raise_when_paused(connection, bucket)

    def take_turns(self, connection: Connection, bucket: TokenBucket) -> None:
        """Lock a bucket until the commit, so that sums read afterwards stay correct.

        It is the first lock of every transaction that takes several, which prevents deadlocks.
        """
        connection.execute(
            sa.text(
                f"insert into ops.request_pace (service, next_at) values (:name, {self._clock}) "
                "on conflict (service) do update set next_at = excluded.next_at"
            ),
            {"name": self._name(bucket)},
        )

    def refund(self, connection: Connection, refunds: Mapping[Booking, Refund]) -> None:
        """Refund a bucket the tokens that answers did not cost, except for bookings already settled as unanswered."""
        for booking, refund in sorted(refunds.items(), key=lambda item: item[0].spent_in):
            connection.execute(
                sa.text("""
                update ops.request_tokens set tokens = tokens - :tokens, unsettled = unsettled - :answers
                where bucket = :name and spent_in = :spent_in and unsettled >= :answers
                """),
                {
                    "name": self._name(booking.bucket),
                    "spent_in": booking.spent_in,
                    "tokens": refund.tokens,
                    "answers": refund.answers,
                },
            )

    def reconcile(self, connection: Connection, bucket: TokenBucket, observation: Observation) -> None:
        """Book tokens that only the server has counted: another program on this address, or a lost booking."""
        ours = connection.execute(
            sa.text("""
            select coalesce(sum(tokens), 0) from ops.request_tokens
            where bucket = :name and spent_in > cast(:at as timestamptz) - cast(:window as interval)
            """),
            {"name": self._name(bucket), "at": observation.at, "window": bucket.window},
        ).scalar_one()
        if observation.used > ours:
            spent_in = observation.at.replace(microsecond=0) + timedelta(seconds=1)
            self._book(connection, Booking(bucket, spent_in), observation.used - int(ours), 0)

    def pause(self, seconds: float, reason: str, bucket: TokenBucket | None) -> datetime:
        """Pause requests for `seconds`, unless a longer pause is already recorded; returns the end of the pause."""
        with self.transaction() as connection:
            follow_clock(connection, self._process_clock)  # or a jump before would be taken for one after
            until: datetime = connection.execute(
                sa.text(f"""
                insert into ops.request_pace as pace (service, next_at, paused_until, pause_reason, paused_at)
                values (:name, {self._clock}, {self._clock} + make_interval(secs => :seconds), :reason, {self._clock})
                on conflict (service) do update set
                    paused_until = greatest(
                        case when {is_paused(self._clock, "pace")} then pace.paused_until end, excluded.paused_until),
                    pause_reason = excluded.pause_reason, paused_at = excluded.paused_at
                returning paused_until
                """),
                {"name": self._name(bucket), "seconds": seconds, "reason": reason},
            ).scalar_one()
        return until

    def add_totals(self, connection: Connection, totals: Mapping[str, Totals]) -> None:
        """Add to the daily totals."""
        for group, total in sorted(totals.items()):
            connection.execute(
                sa.text(f"""
                insert into ops.request_totals as total (service, bucket, day, requests, tokens, errors)
                values (:service, :bucket, ({self._clock} at time zone 'utc')::date, :requests, :tokens, :errors)
                on conflict (service, bucket, day) do update set
                    requests = total.requests + excluded.requests, tokens = total.tokens + excluded.tokens,
                    errors = total.errors + excluded.errors
                """),
                {
                    "service": self._service,
                    "bucket": group,
                    "requests": total.requests,
                    "tokens": total.tokens,
                    "errors": total.errors,
                },
            )

    def _name(self, bucket: TokenBucket | None) -> str:
        return f"{self._service}:{bucket}" if bucket else self._service

    def _nothing_reserved(self, connection: Connection, max_ahead: float) -> Reservation:
        """A reservation of nothing, with the wait until a request can be granted within `max_ahead`."""
        sent = self._monotonic()
        next_at, now, *known = connection.execute(
            sa.text(f"""
            select extract(epoch from max(next_at))::float8, {self._reading}
            from ops.request_pace where service = :service
            """),
            {"service": self._service, "machine": self._process_clock.witness},
        ).one()
        received = self._monotonic()
        _refuse_jump(Ahead.read(sent, received, now), *known)
        wait = max(0.0, (next_at or now) - now - max_ahead / 2)
        return Reservation(0, now, now, sent, received, wait=wait)

    @property
    def _reading(self) -> str:
        """SQL expressions for PostgreSQL's time and what is known of this machine's clock."""
        return f"extract(epoch from {self._clock})::float8, {KNOWN_AHEAD}"

    def _raise_when_paused(self, connection: Connection, bucket: TokenBucket | None) -> None:
        pause = longest_pause(connection, [self._service, self._name(bucket)], self._clock)
        if pause is not None:
            is_owners = bucket is not None and pause.service != self._service
            raise Throttled(pause.reason, pause.until, bucket.token_owner if bucket and is_owners else "")

    def _affordable(self, connection: Connection, bucket: TokenBucket) -> int:
        """How many requests at the highest cost the bucket can pay for; 0 while only refunds can free tokens."""
        name = self._name(bucket)
        # A booking that is never settled counts as unanswered.
        connection.execute(
            sa.text(f"""
            update ops.request_tokens set tokens = tokens - unsettled * :surplus, unsettled = 0
            where bucket = :name and unsettled > 0 and spent_in < {self._clock} - make_interval(secs => :unanswered)
            """),
            {"name": name, "surplus": bucket.max_cost - bucket.cost_of(None), "unanswered": UNANSWERED_SECONDS},
        )
        connection.execute(
            sa.text(
                f"delete from ops.request_tokens where bucket = :name "
                f"and spent_in < {self._clock} - cast(:window as interval) - make_interval(secs => :keep)"
            ),
            {"name": name, "window": bucket.window * CAUTION, "keep": BOOKING_KEPT_SECONDS},
        )
        spent, unsettled, oldest, newest, now = connection.execute(
            sa.text(f"""
            select coalesce(sum(tokens), 0), coalesce(sum(unsettled), 0), min(spent_in) filter (where tokens > 0),
                   max(spent_in), {self._clock}
            from ops.request_tokens
            where bucket = :name and spent_in > {self._clock} - cast(:window as interval)
            """),
            {"name": name, "window": bucket.window * CAUTION},
        ).one()
        if newest is not None and newest > now + timedelta(seconds=CLOCK_JUMP_SECONDS):
            self._book_again(connection, bucket, now)
            return 0  # not TokensSpent: the transaction must commit
        requests = int((bucket.max_tokens - spent) // bucket.max_cost)
        settled_tokens = spent - unsettled * bucket.max_cost
        if requests < 1 and bucket.max_tokens - settled_tokens < bucket.max_cost:
            limit = "error limit" if bucket.is_error_limit else f"group {bucket.group}"
            until = (oldest or now) + bucket.window * CAUTION
            raise TokensSpent(
                f"the tokens of ESI's {limit} are spent", until, bucket.token_owner, (until - now).total_seconds()
            )
        return max(0, requests)

    def _book_again(self, connection: Connection, bucket: TokenBucket, now: datetime) -> None:
        """Book now what was booked before PostgreSQL's clock went back: it is spent for one window from now."""
        tokens = connection.execute(
            sa.text("delete from ops.request_tokens where bucket = :name and spent_in > :now returning tokens"),
            {"name": self._name(bucket), "now": now + timedelta(seconds=CLOCK_JUMP_SECONDS)},
        )
        self._book(connection, Booking(bucket, now.replace(microsecond=0)), sum(tokens.scalars()), 0)

    def _book(self, connection: Connection, booking: Booking, tokens: int, requests: int) -> None:
        connection.execute(
            sa.text("""
            insert into ops.request_tokens as booked (bucket, spent_in, tokens, unsettled)
            values (:name, :spent_in, :tokens, :requests)
            on conflict (bucket, spent_in) do update set
                tokens = booked.tokens + excluded.tokens, unsettled = booked.unsettled + excluded.unsettled
            """),
            {"name": self._name(booking.bucket), "spent_in": booking.spent_in, "tokens": tokens, "requests": requests},
        )


def _refuse_jump(ahead: Ahead, at_least: float | None, at_most: float | None) -> None:
    if at_least is not None and at_most is not None and ahead.has_jumped(Ahead(at_least, at_most)):
        raise ClockJumped

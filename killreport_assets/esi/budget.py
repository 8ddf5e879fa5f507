"""The budget: how often all processes together may ask a service. Kept in PostgreSQL, shared by everybody.

Two limits, both taken in one short transaction: the pace (requests in any second) and, where the route has one, the
token bucket of its group (tokens in any 15 minutes). What a service answers can only narrow them (`pause`).
PostgreSQL's clock is the only clock: see `_ServerClock` for how a process reads it.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi.errors import Throttled
from killreport_assets.esi.routes import MOST_TOKENS, TokenBucket

LATENESS = 0.02
"""Seconds that a request may start after its granted time. Grants are spread over this much more than a second for
each `max_rps`, so that even late ones never make more than `max_rps` in any second; a later one is forfeited."""
BLOCK_SECONDS = 0.05
"""How far ahead one process reserves at once: long enough to spare PostgreSQL, short enough to leave others theirs."""
MOST_AHEAD = 1.5
"""Seconds: what could only be granted later than this is not booked but asked for again."""
FLUSH_SECONDS = 1.0
CLOCK_SECONDS = 60.0
"""How long a reading of PostgreSQL's clock counts; two clocks drift apart by far less than LATENESS in that time."""


@dataclass(frozen=True)
class Grant:
    """Leave to send one request now; to be settled with what it cost."""

    bucket: TokenBucket | None
    reserved_in: datetime | None


@dataclass(frozen=True)
class _Slot:
    """Leave for one request: not before `earliest`, not after `latest` (both time.monotonic())."""

    earliest: float
    latest: float
    reserved_in: datetime | None  # the second in which its tokens are booked


class _ServerClock:
    """What this process knows of PostgreSQL's clock: how far it is ahead of time.monotonic(), within two bounds.

    An answer that says `now` was written between sending the question and receiving it. Every answer narrows the
    bounds, so one that came late, over a slow network or on a busy machine, does no harm.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, float, float]] = deque()

    def read(self, sent: float, received: float, now: float) -> None:
        """Take in an answer; `now` is PostgreSQL's time in seconds."""
        self._readings.append((received, now - received, now - sent))
        while self._readings[0][0] < received - CLOCK_SECONDS:
            self._readings.popleft()

    def window(self, at: float) -> tuple[float, float]:
        """When PostgreSQL's time `at` is here: surely not before the first, surely not after the second."""
        ahead_at_least = max(low for _, low, _ in self._readings)
        ahead_at_most = min(high for _, _, high in self._readings)
        return at - ahead_at_most, at - ahead_at_least


class RequestBudget:
    """One service's budget as one process sees it; threads share one object."""

    def __init__(self, engine: Engine, service: str, max_rps: int, patience: float = 20.0) -> None:
        self._engine = engine
        self._service = service
        self._gap = (1.0 + LATENESS) / max_rps
        self._block = max(1, int(BLOCK_SECONDS / self._gap))
        self._patience = patience
        self._lock = threading.Lock()
        self._slots: dict[TokenBucket | None, deque[_Slot]] = defaultdict(deque)
        self._given_back: dict[tuple[TokenBucket, datetime], int] = defaultdict(int)
        self._totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        self._flushed = time.monotonic()
        self._clock = _ServerClock()
        self._pauses = 0

    def acquire(self, bucket: TokenBucket | None = None) -> Grant:
        """Wait until a request may be sent.

        Raises:
            Throttled: that would be longer than this budget's patience; says until when.
        """
        give_up = time.monotonic() + self._patience
        while True:
            with self._lock:
                slot, pauses = self._next_slot(bucket, give_up), self._pauses
            time.sleep(max(0.0, slot.earliest - time.monotonic()))
            if time.monotonic() <= slot.latest and pauses == self._pauses:
                return Grant(bucket, slot.reserved_in)
            with self._lock:
                self._give_back(bucket, slot.reserved_in, MOST_TOKENS)
            if time.monotonic() > give_up:
                # Over a connection slower than LATENESS no grant is ever in time.
                reason = f"PostgreSQL answers too late to keep the pace of {self._service}"
                raise Throttled(reason, datetime.now(UTC) + timedelta(seconds=self._patience))

    def settle(self, grant: Grant, tokens: int, *, is_error: bool) -> None:
        """Note what a granted request cost."""
        with self._lock:
            self._give_back(grant.bucket, grant.reserved_in, MOST_TOKENS - tokens)
            totals = self._totals[grant.bucket.group if grant.bucket else ""]
            totals[0] += 1
            totals[1] += tokens if grant.bucket else 0
            totals[2] += is_error
            if time.monotonic() - self._flushed >= FLUSH_SECONDS:
                self._flush()

    def pause(self, seconds: float, reason: str, bucket: TokenBucket | None = None) -> datetime:
        """Let nobody ask for so long: the whole service, or one bucket of it. Returns until when."""
        with self._lock:
            self._pauses += 1
            for group in list(self._slots) if bucket is None else [bucket]:
                self._drop_slots(group)
        with self._transaction() as connection:
            until: datetime = connection.execute(
                sa.text("""
                insert into ops.request_pace as pace (service, next_at, paused_until, pause_reason)
                values (:name, clock_timestamp(), clock_timestamp() + make_interval(secs => :seconds), :reason)
                on conflict (service) do update set
                    paused_until = greatest(coalesce(pace.paused_until, excluded.paused_until), excluded.paused_until),
                    pause_reason = excluded.pause_reason
                returning paused_until
                """),
                {"name": self._pace_row(bucket), "seconds": seconds, "reason": reason},
            ).scalar_one()
        return until

    def flush(self) -> None:
        """Write what this process still holds in memory: unspent tokens and its totals."""
        with self._lock:
            for bucket in list(self._slots):
                self._drop_slots(bucket)
            self._flush()

    def _drop_slots(self, bucket: TokenBucket | None) -> None:
        slots = self._slots[bucket]
        while slots:
            self._give_back(bucket, slots.popleft().reserved_in, MOST_TOKENS)

    def _pace_row(self, bucket: TokenBucket | None) -> str:
        return f"{self._service}:{bucket.group}" if bucket else self._service

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A transaction that does not wait for the disk.

        Were PostgreSQL to crash, the last half second of bookings could be missing; it needs longer to come back.
        """
        with self._engine.begin() as connection:
            connection.exec_driver_sql("set local synchronous_commit = off")
            yield connection

    def _next_slot(self, bucket: TokenBucket | None, give_up: float) -> _Slot:
        slots = self._slots[bucket]
        while slots and slots[0].latest < time.monotonic():
            self._give_back(bucket, slots.popleft().reserved_in, MOST_TOKENS)
        while not slots:
            wait = self._reserve(bucket)
            if wait and time.monotonic() + wait > give_up:
                until = datetime.now(UTC) + timedelta(seconds=wait)
                raise Throttled(f"{self._service} is asked by many", until)
            time.sleep(wait)
        return slots.popleft()

    def _reserve(self, bucket: TokenBucket | None) -> float:
        """Book a block of requests; or, when it could only be later than `MOST_AHEAD`, nothing: seconds to wait."""
        refunds: dict[tuple[TokenBucket, datetime], int] = {}
        with self._transaction() as connection:
            self._raise_when_paused(connection, bucket)
            wanted = self._block
            if bucket is not None:
                self._take_turns(connection, bucket)
                refunds = self._book_refunds(connection)
                wanted = self._affordable(connection, bucket)
            sent = time.monotonic()
            begin, now = connection.execute(
                sa.text("""
                insert into ops.request_pace as pace (service, next_at)
                values (:service, clock_timestamp() + make_interval(secs => :length))
                on conflict (service) do update
                set next_at = greatest(pace.next_at, clock_timestamp()) + make_interval(secs => :length)
                returning extract(epoch from next_at)::float8 - :length, extract(epoch from clock_timestamp())::float8
                """),
                {"service": self._service, "length": wanted * self._gap},
            ).one()
            self._clock.read(sent, time.monotonic(), now)
            if begin - now > MOST_AHEAD:
                connection.rollback()
                return float(begin - now - MOST_AHEAD / 2)
            booked_in = None
            if bucket is not None:
                # The second after the last of them: never earlier than they are spent.
                last = datetime.fromtimestamp(begin + wanted * self._gap, UTC)
                booked_in = last.replace(microsecond=0) + timedelta(seconds=1)
                self._book(connection, bucket, booked_in, wanted * MOST_TOKENS)
        self._forget(refunds)
        for i in range(wanted):
            first, surely = self._clock.window(begin + i * self._gap)
            self._slots[bucket].append(_Slot(surely, first + LATENESS, booked_in))
        return 0.0

    def _raise_when_paused(self, connection: Connection, bucket: TokenBucket | None) -> None:
        paused = connection.execute(
            sa.text("""
            select paused_until, pause_reason from ops.request_pace
            where service = any(:names) and paused_until > clock_timestamp()
            order by paused_until desc limit 1
            """),
            {"names": [self._service, self._pace_row(bucket)]},
        ).one_or_none()
        if paused is not None:
            raise Throttled(str(paused.pause_reason), paused.paused_until)

    def _take_turns(self, connection: Connection, bucket: TokenBucket) -> None:
        """Lock the bucket until the commit: what is summed up after this cannot be outdated.

        Always the first lock of a transaction that takes several, so that no two wait for each other.
        """
        connection.execute(
            sa.text(
                "insert into ops.request_pace (service, next_at) values (:name, clock_timestamp()) "
                "on conflict (service) do update set next_at = excluded.next_at"
            ),
            {"name": self._pace_row(bucket)},
        )

    def _affordable(self, connection: Connection, bucket: TokenBucket) -> int:
        """How many requests of the worst cost the bucket still has, at most a block."""
        name, window = self._pace_row(bucket), bucket.window
        connection.execute(
            sa.text("delete from ops.request_tokens where bucket = :name and spent_in < clock_timestamp() - :window"),
            {"name": name, "window": window},
        )
        spent, oldest, now = connection.execute(
            sa.text(
                "select coalesce(sum(tokens), 0), min(spent_in) filter (where tokens > 0), clock_timestamp() "
                "from ops.request_tokens where bucket = :name"
            ),
            {"name": name},
        ).one()
        requests = int((bucket.max_tokens - spent) // MOST_TOKENS)
        if requests < 1:
            raise Throttled(f"the tokens of ESI's group {bucket.group} are spent", (oldest or now) + window)
        return min(requests, self._block)

    def _book(self, connection: Connection, bucket: TokenBucket, spent_in: datetime, tokens: int) -> None:
        connection.execute(
            sa.text("""
            insert into ops.request_tokens as booked (bucket, spent_in, tokens) values (:name, :spent_in, :tokens)
            on conflict (bucket, spent_in) do update set tokens = booked.tokens + excluded.tokens
            """),
            {"name": self._pace_row(bucket), "spent_in": spent_in, "tokens": tokens},
        )

    def _give_back(self, bucket: TokenBucket | None, reserved_in: datetime | None, tokens: int) -> None:
        if bucket is not None and reserved_in is not None:
            self._given_back[bucket, reserved_in] += tokens

    def _book_refunds(self, connection: Connection) -> dict[tuple[TokenBucket, datetime], int]:
        """Book the tokens that are given back; to be forgotten (`_forget`) when the transaction is committed."""
        refunds = dict(self._given_back)
        for (bucket, reserved_in), tokens in sorted(refunds.items(), key=lambda item: (item[0][0].group, item[0][1])):
            self._book(connection, bucket, reserved_in, -tokens)
        return refunds

    def _forget(self, refunds: dict[tuple[TokenBucket, datetime], int]) -> None:
        for key, tokens in refunds.items():
            self._given_back[key] -= tokens
            if not self._given_back[key]:
                del self._given_back[key]

    def _flush(self) -> None:
        self._flushed = time.monotonic()
        with self._transaction() as connection:
            refunds = self._book_refunds(connection)
            for group, (requests, tokens, errors) in sorted(self._totals.items()):
                connection.execute(
                    sa.text("""
                    insert into ops.request_totals as total (service, bucket, day, requests, tokens, errors)
                    values (:service, :bucket, (now() at time zone 'utc')::date, :requests, :tokens, :errors)
                    on conflict (service, bucket, day) do update set
                        requests = total.requests + excluded.requests, tokens = total.tokens + excluded.tokens,
                        errors = total.errors + excluded.errors
                    """),
                    {"service": self._service, "bucket": group, "requests": requests, "tokens": tokens,
                     "errors": errors},
                )  # fmt: skip
        self._forget(refunds)
        self._totals.clear()

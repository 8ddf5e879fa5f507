"""The request budget: how often all processes together may ask a service, as one process uses it. SQL is in ledger.py.

There are two limits: the rate limit (requests in any second) and, for routes that have one, a token bucket (tokens in
any window; the error limit is one too). A service's answers can only lower them.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import requests
from sqlalchemy.engine import Connection, Engine

from killreport_assets.http.clock_jumps import Ahead, Clock, ClockJumped
from killreport_assets.http.errors import Throttled
from killreport_assets.http.headers import number_of
from killreport_assets.http.ledger import Booking, Ledger, Observation, Refund, Reservation, TokensSpent, Totals
from killreport_assets.http.token_bucket import TokenBucket

LATENESS = 0.02
"""Seconds by which a request may start after its granted time; a slot that is later is refunded. Every `max_rps` slots
are spread over a second and LATENESS, so that even late requests never exceed `max_rps` in any second."""
BLOCK_SECONDS = 0.05
"""How far ahead one process reserves: long enough to spare PostgreSQL, short enough to leave slots to the others."""
MAX_AHEAD = 1.5
"""Seconds; a request that cannot be granted sooner is not booked, the process reserves again later."""
INITIAL_BACKOFF, MAX_BACKOFF = 0.01, 1.0
"""Seconds between two reservations while the ledger has nothing left."""
UNCHECKED_SECONDS = 0.005
"""How old a slot may be without looking again whether another process has recorded a pause since."""
DEFAULT_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 60.0, 3_600.0
"""No limit has a window longer than an hour: what a service asks for beyond that is taken as nonsense."""
FLUSH_SECONDS = 1.0
CLOCK_SECONDS = 60.0
"""How long a reading of PostgreSQL's clock is valid; in that time, two clocks drift by far less than LATENESS."""


@dataclass(frozen=True)
class Permit:
    """Permission to send one request now; settle it with the status of the answer."""

    bucket: TokenBucket | None
    booking: Booking | None


@dataclass(frozen=True)
class _Slot:
    """Permission for one request between `earliest` and `latest`, both in seconds of the process's clock."""

    earliest: float
    latest: float
    reserved: float
    booking: Booking | None


class _ServerClock:
    """How far PostgreSQL's clock is ahead of the process's, by the readings of the last CLOCK_SECONDS.

    Each can only narrow the bounds, so a late one, over a slow network or on a busy machine, does no harm.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, Ahead]] = deque()

    def read(self, sent: float, received: float, now: float) -> bool:
        """Add a reading; `now` is PostgreSQL's time in seconds. True: its clock has jumped since the others."""
        ahead = Ahead.read(sent, received, now)
        has_jumped = bool(self._readings) and ahead.has_jumped(self._ahead, LATENESS)
        if has_jumped:
            self._readings.clear()
        self._readings.append((received, ahead))
        while self._readings[0][0] < received - CLOCK_SECONDS:
            self._readings.popleft()
        return has_jumped

    @property
    def _ahead(self) -> Ahead:
        # Read for every slot, over a thousand readings and more: no object for each of them.
        return Ahead(
            max(ahead.at_least for _, ahead in self._readings), min(ahead.at_most for _, ahead in self._readings)
        )

    def window(self, at: float) -> tuple[float, float]:
        """The earliest and the latest time of the process's clock at which PostgreSQL's clock reaches `at`."""
        ahead = self._ahead
        return at - ahead.at_most, at - ahead.at_least

    def latest(self, at: float) -> float:
        """The latest time that PostgreSQL's clock can show at the process's time `at`."""
        return at + self._ahead.at_most


class RequestBudget:
    """One service's budget in one process; thread-safe."""

    def __init__(
        self,
        engine: Engine,
        service: str,
        max_rps: int,
        *,
        timeout: float = 20.0,
        expected: frozenset[int] = frozenset(),
        clock: Clock | None = None,
    ) -> None:
        """`expected` are statuses of 400 and above that do not count as errors; `timeout` is in seconds."""
        self._clock = clock or Clock()
        self._ledger = Ledger(engine, service, self._clock)
        self._service = service
        self._gap = (1.0 + LATENESS) / max_rps
        self._block = max(1, int(BLOCK_SECONDS / self._gap))
        self._timeout = timeout
        self._expected = expected
        self._lock = threading.Lock()
        self._slots: dict[TokenBucket | None, deque[_Slot]] = defaultdict(deque)
        self._refunds: dict[Booking, Refund] = defaultdict(Refund)
        self._used: dict[TokenBucket, tuple[int, float]] = {}
        self._totals: dict[str, Totals] = defaultdict(Totals)
        self._flushed = self._clock.monotonic()
        self._server_clock = _ServerClock()
        self._has_followed = False
        self._pauses = 0
        self._next_reservation: dict[TokenBucket | None, float] = defaultdict(float)
        self._empty_reservations: dict[TokenBucket | None, int] = defaultdict(int)

    def acquire(self, bucket: TokenBucket | None = None) -> Permit:
        """Wait until a request may be sent.

        Raises:
            Throttled: the service or bucket is paused or spent, or the wait exceeds the timeout.
        """
        clock = self._clock
        deadline = clock.monotonic() + self._timeout
        while True:
            with self._lock:
                slot, pauses = self._next_slot(bucket), self._pauses
                wait = self._next_reservation[bucket] - clock.monotonic()
            if slot is None:
                if clock.monotonic() + wait > deadline:
                    raise Throttled(f"too many requests are waiting for {self._service}", self._until(wait))
                clock.sleep(max(0.0, wait))
                continue
            clock.sleep(max(0.0, slot.earliest - clock.monotonic()))
            if clock.monotonic() - slot.reserved > UNCHECKED_SECONDS:
                self._check_pauses(bucket, slot)
            if clock.monotonic() <= slot.latest and pauses == self._pauses:
                return Permit(bucket, slot.booking)
            with self._lock:
                self._refund(slot.booking)
                self._back_off(bucket, 0.0)
                if clock.monotonic() > deadline:
                    # Over a connection slower than LATENESS, every slot is late.
                    reason = f"PostgreSQL answers too slowly to keep the rate limit of {self._service}"
                    raise Throttled(reason, self._until(self._timeout))

    def spend(self, send: Callable[[], requests.Response], bucket: TokenBucket | None = None) -> requests.Response:
        """Send one request within the budget and settle its permit.

        Raises:
            Throttled: see `acquire`; nothing was sent.
        """
        permit = self.acquire(bucket)
        try:
            response = send()
        except BaseException:
            self.settle(permit, None)
            raise
        remaining = number_of(response.headers.get("X-Ratelimit-Remaining")) if bucket is not None else None
        self.settle(permit, response.status_code, remaining=int(remaining) if remaining is not None else None)
        return response

    def settle(self, permit: Permit, status: int | None, *, remaining: int | None = None) -> None:
        """Record a permit's answer: its status, None if there was none, and the tokens that the server has left."""
        with self._lock:
            bucket = permit.bucket
            cost = bucket.cost_of(status) if bucket else 0
            if bucket is not None and permit.booking is not None:
                self._note_refund(permit.booking, bucket.max_cost - cost)
                if remaining is not None and not bucket.is_error_limit:
                    used = min(max(0, bucket.max_tokens - remaining), bucket.max_tokens)
                    self._used[bucket] = used, self._clock.monotonic()
            group, tokens = ("", 0) if bucket is None or bucket.is_error_limit else (bucket.group, cost)
            totals = self._totals[group]
            totals.requests += 1
            totals.tokens += tokens
            totals.errors += status is None or (status >= 400 and status not in self._expected)
            if self._clock.monotonic() - self._flushed >= FLUSH_SECONDS:
                self._flush()

    def _check_pauses(self, bucket: TokenBucket | None, slot: _Slot) -> None:
        try:
            self._ledger.check_pauses(bucket)
        except Throttled:
            with self._lock:
                self._refund(slot.booking)
                self._drop_slots(bucket)
            raise

    def pause(self, seconds: float | None, reason: str, bucket: TokenBucket | None = None) -> datetime:
        """Pause the whole service, or one of its buckets, for `seconds`; returns the end of the pause.

        Seconds that are unknown, not above 0, or more than an hour are replaced by the default.
        """
        if seconds is None or not 0 < seconds <= MAX_PAUSE_SECONDS:
            seconds = DEFAULT_PAUSE_SECONDS
        with self._lock:
            self._pauses += 1
            for group in list(self._slots) if bucket is None else [bucket]:
                self._drop_slots(group)
        return self._ledger.pause(seconds, reason, bucket)

    def flush(self) -> None:
        """Write unspent tokens and totals that are still in memory to the ledger."""
        with self._lock:
            for bucket in list(self._slots):
                self._drop_slots(bucket)
            self._flush()

    def _until(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(self._server_clock.latest(self._clock.monotonic()), UTC) + timedelta(
            seconds=seconds
        )

    def _drop_slots(self, bucket: TokenBucket | None) -> None:
        slots = self._slots[bucket]
        while slots:
            self._refund(slots.popleft().booking)

    def _next_slot(self, bucket: TokenBucket | None) -> _Slot | None:
        """The next slot; None if there is none before `_next_reservation`."""
        slots = self._slots[bucket]
        # A slot that is about to be late would be late after the look at the pauses.
        while slots and slots[0].latest - UNCHECKED_SECONDS < self._clock.monotonic():
            self._refund(slots.popleft().booking)
        if not slots and self._clock.monotonic() >= self._next_reservation[bucket]:
            try:
                self._reserve(bucket)
            except TokensSpent as spent:
                self._ledger.pause(spent.wait, spent.reason, bucket)  # so that no worker starts just to wait
                raise
        return slots.popleft() if slots else None

    def _reserve(self, bucket: TokenBucket | None) -> None:
        """Book a block of requests, or back off if none can be granted within `MAX_AHEAD`."""
        refunds: dict[Booking, Refund] = {}
        if not self._has_followed:
            self._ledger.follow_clock()
            self._has_followed = True
        try:
            with self._ledger.transaction() as connection:
                if bucket is not None:
                    refunds = self._write_bucket(connection, bucket)
                reserved = self._ledger.reserve(connection, bucket, self._block, self._gap, MAX_AHEAD)
        except ClockJumped:
            self._has_followed = False
            self._back_off(bucket, 0.0)
            return
        has_jumped = self._server_clock.read(reserved.sent, reserved.received, reserved.now)
        self._forget(bucket, refunds)
        if has_jumped:
            self._wait_for_slots_of_others(bucket, reserved)
            return
        for i in range(reserved.count):
            at_earliest, at_latest = self._server_clock.window(reserved.begin + i * self._gap)
            self._slots[bucket].append(_Slot(at_latest, at_earliest + LATENESS, reserved.received, reserved.booking))
        if reserved.count:
            self._empty_reservations[bucket] = 0
        else:
            self._back_off(bucket, reserved.wait)

    def _wait_for_slots_of_others(self, bucket: TokenBucket | None, reserved: Reservation) -> None:
        """Give a reservation back: by PostgreSQL's clock of before the jump, others have slots at the same times."""
        for _ in range(reserved.count):
            self._refund(reserved.booking)
        for known in {*self._slots, bucket}:
            self._back_off(known, 2 * MAX_AHEAD)

    def _back_off(self, bucket: TokenBucket | None, wait: float) -> None:
        """Wait longer after each empty reservation: the process that holds the tokens may have died."""
        self._empty_reservations[bucket] = min(self._empty_reservations[bucket] + 1, 10)
        wait = max(wait, min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** self._empty_reservations[bucket]))
        self._next_reservation[bucket] = self._clock.monotonic() + wait

    def _write_bucket(self, connection: Connection, bucket: TokenBucket) -> dict[Booking, Refund]:
        """Lock a bucket and update its ledger; returns the refunds to forget after the commit."""
        self._ledger.take_turns(connection, bucket)
        refunds = {b: replace(refund) for b, refund in self._refunds.items() if b.bucket == bucket}
        self._ledger.refund(connection, refunds)
        if bucket in self._used:
            used, answered_at = self._used[bucket]
            at = datetime.fromtimestamp(self._server_clock.latest(answered_at), UTC)
            self._ledger.reconcile(connection, bucket, Observation(used, at))
        return refunds

    def _refund(self, booking: Booking | None) -> None:
        if booking is not None:
            self._note_refund(booking, booking.bucket.max_cost)

    def _note_refund(self, booking: Booking, tokens: int) -> None:
        refund = self._refunds[booking]
        refund.answers += 1
        refund.tokens += tokens

    def _forget(self, bucket: TokenBucket | None, written: dict[Booking, Refund]) -> None:
        if bucket is not None:
            self._used.pop(bucket, None)
        for booking, refund in written.items():
            known = self._refunds[booking]
            known.answers -= refund.answers
            known.tokens -= refund.tokens
            if not known.answers:
                del self._refunds[booking]

    def _flush(self) -> None:
        self._flushed = self._clock.monotonic()
        for bucket in sorted({booking.bucket for booking in self._refunds}, key=str):
            with self._ledger.transaction() as connection:
                refunds = self._write_bucket(connection, bucket)
            self._forget(bucket, refunds)
        with self._ledger.transaction() as connection:
            self._ledger.add_totals(connection, self._totals)
        self._totals.clear()

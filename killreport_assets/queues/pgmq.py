"""The PGMQ adapter: work queues in PostgreSQL, through PGMQ's SQL functions.

PGMQ's own Python class is not used: it cannot connect to a unix socket. Only the SQL of its wheel is used.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import resources

import sqlalchemy as sa
from psycopg import errors
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import BrokerUnavailable, ServerRefuses, UserError
from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.queues.broker import Consumer, Delivery, Depth, WorkerLimits, dead_letter_queue, priority_lane
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.envelope import Message, count_header, text_header, time_header
from killreport_assets.queues.retry import RetryDelays

LEASE = timedelta(seconds=120)
"""How long a received message is hidden from other consumers; extended while it is worked on."""
POLL_SECONDS = 0.1
CLOCK_SLACK = timedelta(seconds=60)
MISSING = (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName)


def _table(queue: str) -> str:
    return queue.replace(".", "__")  # PGMQ's names are table names


class PgmqBroker:
    """Work queues in the database of `engine`."""

    def __init__(self, engine: Engine, delays: RetryDelays | None = None, lease: timedelta = LEASE) -> None:
        self._engine = engine
        self._delays = delays or RetryDelays()
        self._lease = lease

    @property
    def delays(self) -> RetryDelays:
        return self._delays

    def publish(self, queue: str, messages: Sequence[Message], *, urgent: bool = False) -> None:
        if not messages:
            return
        headers = [{"message_id": message.message_id, "attempts": 0} for message in messages]
        with self._transaction() as connection:
            _send(
                connection,
                priority_lane(queue) if urgent else queue,
                [message.encode().decode() for message in messages],
                headers,
            )

    @contextmanager
    def consume(self, queue: str, limits: WorkerLimits) -> Iterator[Consumer]:
        consumer = PgmqConsumer(self, queue, limits)
        consumer.show_what_is_hidden_too_long()
        yield consumer

    @property
    def furthest(self) -> timedelta:
        """No message is hidden for longer, unless PostgreSQL's clock has gone back since."""
        return max(self._lease, timedelta(seconds=max(self._delays.seconds))) + CLOCK_SLACK

    def depth(self, queue: str) -> Depth:
        with self._transaction() as connection:
            lanes = [
                connection.execute(
                    sa.text(
                        "select count(*) filter (where is_ready), "
                        "count(*) filter (where not is_ready and read_ct > 0), "
                        "max(extract(epoch from clock_timestamp() - enqueued_at)::float8) filter (where is_ready) "
                        "from (select read_ct, enqueued_at, "
                        "vt not between clock_timestamp() and clock_timestamp() + :furthest as is_ready "
                        f"from pgmq.q_{_table(lane)}) messages"
                    ),
                    {"furthest": self.furthest},
                ).one()
                for lane in (queue, priority_lane(queue))
            ]
            dead = connection.execute(sa.text(f"select count(*) from pgmq.q_{_table(dead_letter_queue(queue))}"))
            oldest = max((age for _, _, age in lanes if age is not None), default=None)
            ready, in_flight = sum(lane[0] for lane in lanes), sum(lane[1] for lane in lanes)
            return Depth(ready, dead.scalar_one(), in_flight, oldest, lanes[1][2])

    def delayed(self) -> Mapping[float, int]:
        lanes = [lane for queue in WORK_QUEUES for lane in (queue.name, priority_lane(queue.name))]
        counted: Counter[float] = Counter(dict.fromkeys(self._delays.seconds, 0))
        with self._transaction() as connection:
            for lane in lanes:
                rows = connection.execute(
                    sa.text(
                        "select round(extract(epoch from vt - enqueued_at), 2)::float8, count(*) "
                        f"from pgmq.q_{_table(lane)} where vt > clock_timestamp() and read_ct = 0 group by 1"
                    )
                )
                for seconds, count in rows:
                    counted[self._delays.tier_of(timedelta(seconds=seconds))] += count
        return counted

    def reconnect(self) -> None:
        self._engine.dispose()
        with self._transaction() as connection:
            connection.execute(sa.text("select 1"))

    def close(self) -> None:
        """Do nothing: the engine belongs to the caller."""

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except sa.exc.OperationalError as lost:
            raise BrokerUnavailable(f"PGMQ: {lost.orig}") from lost
        except sa.exc.ProgrammingError as error:
            if not isinstance(error.orig, MISSING):
                raise
            raise ServerRefuses("this database has no work queues yet: killreport migrate") from None


def install_queues(engine: Engine) -> bool:
    """Install PGMQ and every missing queue; False when nothing was missing.

    Raises:
        UserError: PGMQ's wheel is missing.
    """
    with engine.connect() as connection:
        if not _missing_queues(connection):
            return False
    with advisory_lock(engine, Lock.MIGRATION) as connection, connection.begin():
        if connection.execute(sa.text("select to_regclass('pgmq.meta')")).scalar() is None:
            connection.connection.cursor().execute(_install_script())
        missing = _missing_queues(connection)
        for table in missing:
            connection.execute(sa.text("select pgmq.create(:table)"), {"table": table})
    return bool(missing)


def _missing_queues(connection: sa.Connection) -> list[str]:
    lanes = [lane for queue in WORK_QUEUES for lane in (queue.name, priority_lane(queue.name))]
    tables = [_table(name) for name in (*lanes, *(dead_letter_queue(queue.name) for queue in WORK_QUEUES))]
    if connection.execute(sa.text("select to_regclass('pgmq.meta')")).scalar() is None:
        return tables
    known = set(connection.execute(sa.text("select queue_name from pgmq.meta")).scalars())
    return [table for table in tables if table not in known]


def _install_script() -> str:
    try:
        return (resources.files("pgmq.sql") / "pgmq.sql").read_text()
    except ModuleNotFoundError:
        raise UserError(
            "the work queues need PGMQ: pip install 'killreport-assets[embedded]', or set KILLREPORT_AMQP_URL"
        ) from None


def _send(
    connection: sa.Connection,
    queue: str,
    bodies: Sequence[str],
    headers: Sequence[dict[str, object]],
    delay: float = 0.0,
) -> None:
    connection.execute(
        sa.text(
            "select count(*) from pgmq.send_batch(:queue, cast(:bodies as jsonb[]), cast(:headers as jsonb[]), "
            "clock_timestamp() + make_interval(secs => :delay))"
        ),
        {
            "queue": _table(queue),
            "bodies": list(bodies),
            "headers": [json.dumps(h) for h in headers],
            "delay": delay,
        },
    )


def _as_jsonb(body: bytes) -> str:
    """Return the body as JSON text; one that is not JSON is sent as a JSON string and delivered unchanged."""
    text = body.decode(errors="replace")
    try:
        json.loads(text)
    except ValueError:
        return json.dumps(text)
    return text


def _headers(delivery: Delivery, attempts: int, failed_at: datetime | None) -> dict[str, object]:
    first = delivery.first_failed_at or failed_at
    headers: dict[str, object] = {"message_id": delivery.message_id, "attempts": attempts}
    return headers | ({"first_failed_at": first.isoformat()} if first else {})


class PgmqConsumer:
    """Receives batches until a limit is reached; `extend_leases` keeps its messages hidden from other consumers."""

    def __init__(self, broker: PgmqBroker, queue: str, limits: WorkerLimits) -> None:
        self._broker = broker
        self._lanes = [queue] if queue.endswith(".dead") else [priority_lane(queue), queue]
        self._limits = limits
        self._held: dict[int, Delivery] = {}
        self._taken = 0
        self._stopped = False
        self._started = self._last_seen = self._renewed = time.monotonic()

    def show_what_is_hidden_too_long(self) -> None:
        """Make messages ready that a clock gone back would hide for as long as it went back."""
        with self._broker._transaction() as connection:
            for lane in self._lanes:
                connection.execute(
                    sa.text(
                        f"update pgmq.q_{_table(lane)} set vt = clock_timestamp() "
                        "where vt > clock_timestamp() + :furthest"
                    ),
                    {"furthest": self._broker.furthest},
                )

    @property
    def finished(self) -> bool:
        now = time.monotonic()
        return (
            self._stopped
            or self._taken >= self._limits.messages
            or now - self._started >= self._limits.seconds
            or now - self._last_seen >= self._limits.idle_seconds
        )

    def stop(self) -> None:
        self._stopped = True

    def receive(self, wait_seconds: float) -> list[Delivery]:
        self.extend_leases()
        deadline = time.monotonic() + wait_seconds
        while not self.finished:
            batch = self._read(min(self._limits.batch_size, self._limits.messages - self._taken))
            if batch:
                self._taken += len(batch)
                self._last_seen = time.monotonic()
                self._held |= {id(delivery): delivery for delivery in batch}
                return batch
            if time.monotonic() >= deadline:
                break
            time.sleep(min(POLL_SECONDS, max(0.0, deadline - time.monotonic())))
        return []

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        with self._broker._transaction() as connection:
            self._delete(connection, deliveries)

    def retry_later(self, deliveries: Sequence[Delivery], delay: timedelta, *, count_attempt: bool = True) -> None:
        delay = self._broker._delays.fitting(delay)
        with self._broker._transaction() as connection:
            for delivery in deliveries:
                headers = _headers(
                    delivery, delivery.attempts + count_attempt, datetime.now(UTC) if count_attempt else None
                )
                _send(connection, delivery.tag[0], [_as_jsonb(delivery.body)], [headers], delay.total_seconds())
            self._delete(connection, deliveries)

    def _delete(self, connection: sa.Connection, deliveries: Sequence[Delivery]) -> None:
        for lane in {delivery.tag[0] for delivery in deliveries}:
            ids = [delivery.tag[1] for delivery in deliveries if delivery.tag[0] == lane]
            connection.execute(
                sa.text("select count(*) from pgmq.delete(:queue, cast(:ids as bigint[]))"),
                {"queue": _table(lane), "ids": ids},
            )
        for delivery in deliveries:
            self._held.pop(id(delivery), None)
        if deliveries:
            self._last_seen = time.monotonic()  # working is not idling

    def _read(self, quantity: int) -> list[Delivery]:
        batch: list[Delivery] = []
        seconds = max(1, round(self._broker._lease.total_seconds()))
        with self._broker._transaction() as connection:
            for lane in self._lanes:
                if len(batch) < quantity:
                    rows = connection.execute(
                        sa.text("select msg_id, read_ct, message, headers from pgmq.read(:queue, :vt, :quantity)"),
                        {"queue": _table(lane), "vt": seconds, "quantity": quantity - len(batch)},
                    )
                    batch += [self._delivery(lane, *row) for row in rows]
        return batch

    def _delivery(self, lane: str, msg_id: int, read_ct: int, message: object, headers: object) -> Delivery:
        given = headers if isinstance(headers, dict) else {}
        return Delivery(
            queue=lane.removesuffix(".urgent").removesuffix(".dead"),
            body=(message if isinstance(message, str) else json.dumps(message)).encode(),
            message_id=text_header(given.get("message_id")),
            attempts=count_header(given.get("attempts")),
            first_failed_at=time_header(given.get("first_failed_at")),
            deliveries=read_ct - 1,
            urgent=lane.endswith(".urgent"),
            tag=(lane, msg_id),
        )

    def extend_leases(self) -> None:
        now = time.monotonic()
        if not self._held or now - self._renewed < self._broker._lease.total_seconds() / 4:
            return
        self._renewed = now
        with self._broker._transaction() as connection:
            for lane in self._lanes:
                ids = [delivery.tag[1] for delivery in self._held.values() if delivery.tag[0] == lane]
                if ids:
                    connection.execute(
                        sa.text("select count(*) from pgmq.set_vt(:queue, cast(:ids as bigint[]), cast(:vt as int))"),
                        {"queue": _table(lane), "ids": ids, "vt": round(self._broker._lease.total_seconds())},
                    )

"""The RabbitMQ adapter: quorum queues, publisher confirms, and a consumer that returns no message (pika).

The connection and its I/O thread are in amqp_connection.py.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pika

from killreport_assets.base.errors import BrokerUnavailable
from killreport_assets.queues.amqp_connection import AmqpConnection
from killreport_assets.queues.broker import Consumer, Delivery, Depth, WorkerLimits, dead_letter_queue, priority_lane
from killreport_assets.queues.catalogue import WORK_QUEUES
from killreport_assets.queues.envelope import Message, count_header, time_header
from killreport_assets.queues.management import Management
from killreport_assets.queues.retry import RetryDelays

EXCHANGE = "killreport"
DEAD_LETTER_EXCHANGE = "killreport.dead"
PUBLISH_CHUNK = 1_000
"""Unconfirmed messages at once: enough to keep the broker busy, few enough to keep in memory."""
LINGER_SECONDS = 0.05
"""How long a partial batch waits for more messages."""
BROKER_DELIVERY_LIMIT = 20
"""The limit of RabbitMQ itself; the worker publishes what exceeds it again."""


class RabbitBroker:
    """Work queues on the RabbitMQ at `url`."""

    def __init__(
        self,
        url: str,
        delays: RetryDelays | None = None,
        management: Management | None = None,
        *,
        declares: bool = True,
    ) -> None:
        """`declares` is whether missing queues are declared; a process that only reads creates nothing."""
        self._declares = declares
        self._url = url
        self._delays = delays or RetryDelays()
        self._management = management
        self._publishing = threading.Lock()
        self._open()

    def _open(self) -> None:
        self._unconfirmed: set[int] = set()
        self._refused: list[str] = []
        self._published = 0
        self._all_confirmed: Future[Any] | None = None
        self._connection = AmqpConnection(self._url)
        self._channel = self._connection.open_channel()
        self._connection.rpc(self._channel.confirm_delivery, ack_nack_callback=self._on_confirm)
        self._connection.do(lambda: self._channel.add_on_return_callback(self._on_return))
        if self._declares:
            self._declare()

    @property
    def delays(self) -> RetryDelays:
        return self._delays

    def reconnect(self) -> None:
        with self._publishing:
            self._connection.close()
            self._open()

    def publish(self, queue: str, messages: Sequence[Message], *, urgent: bool = False) -> None:
        lane = priority_lane(queue) if urgent else queue
        self._publish(
            [
                (EXCHANGE, lane, message.encode(), _properties(message.message_id, {"x-attempts": 0}))
                for message in messages
            ]
        )

    @contextmanager
    def consume(self, queue: str, limits: WorkerLimits) -> Iterator[Consumer]:
        consumer = RabbitConsumer(self, queue, limits)
        try:
            yield consumer
        finally:
            consumer.close()

    def depth(self, queue: str) -> Depth:
        lanes = (queue, priority_lane(queue))
        declared = [self._declared(lane) for lane in lanes]
        ready, consumers = sum(lane.message_count for lane in declared), max(lane.consumer_count for lane in declared)
        in_flight = oldest = oldest_urgent = None
        if self._management is not None:
            held, ages = zip(*(self._management.look(lane) for lane in lanes), strict=True)
            in_flight = None if None in held else sum(held)
            oldest, oldest_urgent = max((age for age in ages if age is not None), default=None), ages[1]
        return Depth(ready, self._count(dead_letter_queue(queue)), in_flight, oldest, oldest_urgent, consumers)

    def delayed(self) -> Mapping[float, int]:
        counted: Counter[float] = Counter(dict.fromkeys(self._delays.seconds, 0))
        for delay in self._delays.delays:
            counted[self._delays.tier_of(delay)] += self._count(_delay_queue(delay))
        return counted

    def close(self) -> None:
        self._connection.close()

    def _count(self, queue: str) -> int:
        count: int = self._declared(queue).message_count
        return count

    def _declared(self, queue: str) -> Any:
        """What the broker says of a queue that exists: message_count and consumer_count."""
        return self._connection.rpc(self._channel.queue_declare, queue=queue, passive=True).method

    def _declare(self) -> None:
        """Declare the whole topology; declaring what exists already changes nothing."""
        rpc, channel = self._connection.rpc, self._channel
        for exchange in (EXCHANGE, DEAD_LETTER_EXCHANGE):
            rpc(channel.exchange_declare, exchange=exchange, exchange_type="direct", durable=True)
        for delay in self._delays.delays:
            name = _delay_queue(delay)
            rpc(channel.exchange_declare, exchange=name, exchange_type="fanout", durable=True)
            arguments = {
                "x-queue-type": "quorum",
                "x-message-ttl": round(delay.total_seconds() * 1000),
                "x-dead-letter-exchange": EXCHANGE,  # the routing key is kept: it names the queue to return to
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
            rpc(channel.queue_declare, queue=name, durable=True, arguments=arguments)
            rpc(channel.queue_bind, queue=name, exchange=name)
        for queue in WORK_QUEUES:
            dead = dead_letter_queue(queue.name)
            rpc(channel.queue_declare, queue=dead, durable=True, arguments={"x-queue-type": "quorum"})
            rpc(channel.queue_bind, queue=dead, exchange=DEAD_LETTER_EXCHANGE, routing_key=dead)
            for lane in (queue.name, priority_lane(queue.name)):
                arguments = {
                    "x-queue-type": "quorum",
                    "x-delivery-limit": BROKER_DELIVERY_LIMIT,
                    "x-dead-letter-exchange": DEAD_LETTER_EXCHANGE,
                    "x-dead-letter-routing-key": dead,
                    "x-dead-letter-strategy": "at-least-once",
                    "x-overflow": "reject-publish",
                }
                rpc(channel.queue_declare, queue=lane, durable=True, arguments=arguments)
                rpc(channel.queue_bind, queue=lane, exchange=EXCHANGE, routing_key=lane)

    def _publish(self, outgoing: Sequence[tuple[str, str, bytes, pika.BasicProperties]]) -> None:
        with self._publishing:
            for start in range(0, len(outgoing), PUBLISH_CHUNK):
                self._publish_chunk(outgoing[start : start + PUBLISH_CHUNK])

    def _publish_chunk(self, chunk: Sequence[tuple[str, str, bytes, pika.BasicProperties]]) -> None:
        def send(done: Future[Any]) -> None:
            self._all_confirmed = done
            self._refused.clear()
            self._unconfirmed = set(range(self._published + 1, self._published + 1 + len(chunk)))
            self._published += len(chunk)
            for exchange, key, body, properties in chunk:
                self._channel.basic_publish(exchange, key, body, properties, mandatory=True)

        self._connection.call(send)
        if self._refused:
            raise BrokerUnavailable(
                f"RabbitMQ at {self._connection.address} refused {len(self._refused)} messages: {self._refused[0]}"
            )

    def _on_confirm(self, frame: Any) -> None:
        tag, method = frame.method.delivery_tag, frame.method
        confirmed = {t for t in self._unconfirmed if t <= tag} if method.multiple else {tag}
        if isinstance(method, pika.spec.Basic.Nack):
            self._refused.append("not confirmed")
        self._unconfirmed -= confirmed
        if not self._unconfirmed and self._all_confirmed and not self._all_confirmed.done():
            self._all_confirmed.set_result(None)

    def _on_return(self, _channel: Any, method: Any, _properties: Any, _body: bytes) -> None:
        self._refused.append(f"{method.reply_text} ({method.routing_key})")


def _delay_queue(delay: timedelta) -> str:
    return f"{EXCHANGE}.delay.{delay.total_seconds():g}s"


def _properties(message_id: str | None, headers: dict[str, Any]) -> pika.BasicProperties:
    return pika.BasicProperties(
        message_id=message_id,
        headers=headers,
        content_type="application/json",
        delivery_mode=2,
        timestamp=int(time.time()),
    )


class RabbitConsumer:
    """Receives batches until a limit is reached.

    Consuming is cancelled before the last batch is delivered, and what was prefetched by then is delivered too, so that
    few messages return to the queue. So a consumer may exceed its limit of messages by what it prefetched (two batches
    of each lane). What the broker sends just while it processes the cancel, it returns itself, as delivered once more.
    """

    def __init__(self, broker: RabbitBroker, queue: str, limits: WorkerLimits) -> None:
        self._broker, self._limits = broker, limits
        self._connection = broker._connection
        self._queue = queue.removesuffix(".dead")
        self._inbox: deque[Delivery] = deque()
        self._urgent: deque[Delivery] = deque()
        self._arrived = threading.Condition()
        self._taken = 0
        self._cancelled = False
        self._started = self._last_seen = time.monotonic()
        self._channel = self._connection.open_channel()
        prefetch = min(2 * limits.batch_size, max(1, limits.messages))
        self._connection.rpc(self._channel.basic_qos, prefetch_count=prefetch)
        lanes = [queue] if queue.endswith(".dead") else [priority_lane(queue), queue]
        self._tags = [self._consume(lane) for lane in lanes]

    def _consume(self, lane: str) -> str:
        urgent = lane.endswith(".urgent")
        inbox = self._urgent if urgent else self._inbox

        def on_message(_channel: Any, method: Any, properties: Any, body: bytes) -> None:
            headers = properties.headers or {}
            with self._arrived:
                inbox.append(
                    Delivery(
                        queue=self._queue,
                        body=body,
                        message_id=properties.message_id,
                        attempts=count_header(headers.get("x-attempts")),
                        first_failed_at=time_header(headers.get("x-first-failed-at")),
                        deliveries=count_header(headers.get("x-delivery-count")),
                        urgent=urgent,
                        tag=(lane, method.delivery_tag),
                    )
                )
                self._arrived.notify()

        answer = self._connection.call(
            lambda future: self._channel.basic_consume(lane, on_message_callback=on_message, callback=future.set_result)
        )
        tag: str = answer.method.consumer_tag
        return tag

    @property
    def finished(self) -> bool:
        return self._cancelled and not self._waiting

    @property
    def _waiting(self) -> int:
        return len(self._inbox) + len(self._urgent)

    def receive(self, wait_seconds: float) -> list[Delivery]:
        self._connection.check()
        self._stop_when_spent()
        with self._arrived:
            if self._arrived.wait_for(lambda: self._waiting or self._cancelled, wait_seconds) and not self._cancelled:
                self._arrived.wait_for(lambda: self._waiting >= self._limits.batch_size, LINGER_SECONDS)
            self._connection.check()
            batch: list[Delivery] = []
            for inbox in (self._urgent, self._inbox):
                while inbox and len(batch) < self._limits.batch_size:
                    batch.append(inbox.popleft())
        if batch:
            self._taken += len(batch)
            self._last_seen = time.monotonic()
        return batch

    def extend_leases(self) -> None:
        self._connection.check()  # the broker reserves them while the connection is open

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        def acknowledge_all() -> None:
            for delivery in deliveries:
                self._channel.basic_ack(delivery.tag[1])

        if deliveries:
            self._connection.do(acknowledge_all)
            self._last_seen = time.monotonic()  # working is not idling

    def retry_later(self, deliveries: Sequence[Delivery], delay: timedelta, *, count_attempt: bool = True) -> None:
        exchange = _delay_queue(self._broker._delays.fitting(delay))
        outgoing = []
        for delivery in deliveries:
            first = delivery.first_failed_at or (datetime.now(UTC) if count_attempt else None)
            headers: dict[str, object] = {"x-attempts": delivery.attempts + count_attempt}
            headers |= {"x-first-failed-at": first.isoformat()} if first else {}
            lane = priority_lane(delivery.queue) if delivery.urgent else delivery.queue
            outgoing.append((exchange, lane, delivery.body, _properties(delivery.message_id, headers)))
        self._broker._publish(outgoing)
        self.acknowledge(deliveries)

    def stop(self) -> None:
        if not self._cancelled:
            for tag in self._tags:
                self._connection.call(partial(self._cancel, tag))
            self._cancelled = True

    def _cancel(self, tag: str, done: Future[Any]) -> None:
        """Cancel a consumer, and still accept what the broker sent before it processed the cancel."""
        self._channel.basic_cancel(tag, callback=done.set_result)
        # pika would return deliveries of a cancelled consumer to the queue; these were prefetched, and are handled.
        self._channel._cancelled.discard(tag)

    def _stop_when_spent(self) -> None:
        now = time.monotonic()
        idle = not self._waiting and now - self._last_seen >= self._limits.idle_seconds
        spent = self._taken + self._waiting >= self._limits.messages
        if spent or idle or now - self._started >= self._limits.seconds:
            self.stop()

    def close(self) -> None:
        """Close the channel; the broker requeues unsettled messages."""
        with suppress(BrokerUnavailable):
            self._connection.call(self._close_channel)

    def _close_channel(self, done: Future[Any]) -> None:
        if not self._channel.is_open:
            done.set_result(None)
            return

        def closed(*_: object) -> None:
            if not done.done():
                done.set_result(None)

        self._channel.add_on_close_callback(closed)
        self._channel.close()

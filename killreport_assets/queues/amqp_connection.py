"""One AMQP connection on a thread of its own (pika), for the RabbitMQ adapter.

pika's objects belong to one thread. Here that thread does only I/O, so heartbeats are answered however busy the
worker's thread is, and a thousand messages are confirmed in one round trip.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from typing import Any

import pika
from pika.exceptions import AMQPError

from killreport_assets.base.errors import BrokerUnavailable

ANSWER_SECONDS = 30.0


class AmqpConnection:
    """One AMQP connection on an I/O thread; every public method may be called from any other thread."""

    def __init__(self, url: str) -> None:
        try:
            parameters = pika.URLParameters(url)
        except Exception as wrong:
            raise BrokerUnavailable(f"KILLREPORT_AMQP_URL cannot be read: {type(wrong).__name__}") from None
        self.address = f"{parameters.host}:{parameters.port}"
        self._waiting: set[Future[Any]] = set()
        self._broken: BrokerUnavailable | None = None
        self._opened: Future[Any] = self._future()
        self._closed = threading.Event()
        self._connection = pika.SelectConnection(
            parameters,
            on_open_callback=lambda _: self._opened.set_result(None),
            on_open_error_callback=lambda _, error: self._break(error),
            on_close_callback=lambda _, error: self._break(error),
        )
        self._thread = threading.Thread(target=self._run, name="rabbitmq-io", daemon=True)
        self._thread.start()
        self._result(self._opened)

    def _run(self) -> None:
        try:
            self._connection.ioloop.start()
        except Exception as error:  # an error that ends the loop must reach the threads that wait for it
            self._break(error)
        finally:
            self._closed.set()

    def _break(self, error: BaseException) -> None:
        self._broken = self._broken or BrokerUnavailable(f"RabbitMQ at {self.address}: {_reason(error)}")
        for future in list(self._waiting):
            with suppress(InvalidStateError):
                future.set_exception(self._broken)
        with suppress(Exception):
            if self._connection.is_open:  # a channel broke: closing makes the broker requeue its messages
                self._connection.close()
                return
        with suppress(Exception):
            self._connection.ioloop.stop()

    def _future(self) -> Future[Any]:
        future: Future[Any] = Future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        if self._broken:
            with suppress(InvalidStateError):  # the future may have its exception already
                future.set_exception(self._broken)
        return future

    def _result(self, future: Future[Any]) -> Any:
        try:
            return future.result(ANSWER_SECONDS)
        except FutureTimeoutError:
            raise BrokerUnavailable(f"RabbitMQ at {self.address} did not answer in {ANSWER_SECONDS:.0f} s") from None
        except AMQPError as error:
            raise BrokerUnavailable(f"RabbitMQ at {self.address}: {error or type(error).__name__}") from error

    def check(self) -> None:
        """Raise the error that broke the connection, if there is one."""
        if self._broken:
            raise self._broken

    def call(self, start: Callable[[Future[Any]], object]) -> Any:
        """Run `start` on the I/O thread and wait for the future that is passed to it."""
        future = self._future()

        def guarded() -> None:
            try:
                start(future)
            except Exception as error:  # goes to the caller, not to the I/O loop
                if not future.done():
                    future.set_exception(error)

        if not future.done():
            self._connection.ioloop.add_callback_threadsafe(guarded)
        return self._result(future)

    def do(self, action: Callable[[], object]) -> None:
        """Run `action` on the I/O thread and wait for its end."""

        def act(future: Future[Any]) -> None:
            action()
            future.set_result(None)

        self.call(act)

    def rpc(self, method: Callable[..., object], **arguments: Any) -> Any:
        """Call a pika method that takes a callback and wait for the broker's answer."""
        return self.call(lambda future: method(**arguments, callback=future.set_result))

    def open_channel(self) -> Any:
        """Open a channel; if the broker closes it, the connection is broken."""
        channel = self.call(lambda future: self._connection.channel(on_open_callback=future.set_result))
        self.do(lambda: channel.add_on_close_callback(self._channel_closed))
        return channel

    def _channel_closed(self, channel: Any, reason: Exception) -> None:
        if isinstance(reason, pika.exceptions.ChannelClosedByBroker):
            self._break(reason)

    def close(self) -> None:
        if self._broken is None:
            self._connection.ioloop.add_callback_threadsafe(self._close_now)
            self._closed.wait(5)

    def _close_now(self) -> None:
        if self._connection.is_open:
            self._connection.close()


def _reason(error: BaseException) -> str:
    """What went wrong at the bottom of pika's nested errors, in a few words."""
    while True:
        attempts: Sequence[object] = getattr(error, "exceptions", ())
        inner = [*attempts[-1:], getattr(error, "exception", None), *error.args]
        nested = [cause for cause in inner if isinstance(cause, BaseException)]
        if not nested:
            break
        error = nested[0]
    if isinstance(error, socket.gaierror):
        return "its name cannot be resolved"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or repr(error)

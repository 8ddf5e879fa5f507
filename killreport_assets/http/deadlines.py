"""Deadlines of whole requests: a watchdog cuts the connection of a request that takes too long.

requests' timeout is per read, so a service that sends a byte now and then is never late; and it does not hold while a
name is resolved. Nothing here sends.
"""

import socket
import threading
import time
from contextlib import suppress
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.poolmanager import PoolManager

from killreport_assets.http.names import Resolver

TICK_SECONDS = 0.25
_sending = threading.local()


class Deadline:
    """The end of one request; `end` it when the answer is read."""

    def __init__(self, seconds: float, resolver: Resolver) -> None:
        self.seconds = seconds
        self.resolver = resolver
        self.is_over = False
        self._at = time.monotonic() + seconds
        self._connection: HTTPConnection | None = None
        _watchdog.add(self)

    @property
    def left(self) -> float:
        """The seconds until then."""
        return self._at - time.monotonic()

    def sends(self) -> None:
        """The next connection that this thread uses is the request's."""
        _sending.deadline = self

    def end(self) -> None:
        """The answer is read: its connection may serve other requests."""
        _watchdog.remove(self)

    def cut_if_late(self) -> None:
        """Cut the connection after the deadline; a thread that reads from it gets an error."""
        if time.monotonic() < self._at:
            return
        self.is_over = True
        sock = self._connection.sock if self._connection is not None else None
        if sock is not None:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Watchdog:
    def __init__(self) -> None:
        self._deadlines: set[Deadline] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.add(deadline)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="http-deadlines", daemon=True)
                self._thread.start()
            elif len(self._deadlines) == 1:
                self._changed.notify()

    def remove(self, deadline: Deadline) -> None:
        with self._changed:
            self._deadlines.discard(deadline)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._deadlines)
                for deadline in self._deadlines:  # under the lock: an ended one's connection may serve others
                    deadline.cut_if_late()
            time.sleep(TICK_SECONDS)


_watchdog = _Watchdog()


class _Watched(HTTPConnection):
    def request(self, *arguments: Any, **options: Any) -> None:
        deadline: Deadline | None = getattr(_sending, "deadline", None)
        if deadline is not None:
            deadline._connection = self
        super().request(*arguments, **options)

    def _new_conn(self) -> socket.socket:
        """Connect within the deadline: to each address of the host, until one answers."""
        deadline: Deadline | None = getattr(_sending, "deadline", None)
        if deadline is None:
            return super()._new_conn()
        host = self._dns_host
        limit = min(float(self.timeout or deadline.left), deadline.left)
        try:
            addresses = deadline.resolver.addresses(host, self.port, limit)
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error
        try:
            for address in addresses[:-1]:
                self._dns_host = address
                with suppress(NewConnectionError, ConnectTimeoutError):
                    return super()._new_conn()
            self._dns_host = addresses[-1]
            return super()._new_conn()
        finally:
            self._dns_host = host


class _WatchedConnection(_Watched):
    pass


class _WatchedTlsConnection(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTlsConnection


class WatchedAdapter(HTTPAdapter):
    """requests' adapter, with connections that deadlines can cut."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        _watch(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*arguments, **options)
        _watch(manager)
        return manager


def _watch(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

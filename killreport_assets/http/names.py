"""Resolving names in time: the system's resolver cannot be interrupted, and a silent nameserver holds it for minutes.

Nothing is cached here; the system's resolver does that.
"""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

LookUp = Callable[[str, int], Sequence[tuple[Any, ...]]]


def _look_up(host: str, port: int) -> Sequence[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


@dataclass
class Resolver:
    """Looks names up, each in a thread of its own, which others that ask for the same name share; thread-safe."""

    look_up: LookUp = _look_up
    """Returns what `socket.getaddrinfo` does."""
    _under_way: dict[tuple[str, int], "Future[list[str]]"] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def addresses(self, host: str, port: int, seconds: float) -> list[str]:
        """The numeric addresses of a host, the preferred one first.

        Raises:
            socket.gaierror: the name does not exist, or is not resolved in so many seconds.
        """
        with self._lock:
            if (host, port) not in self._under_way:
                self._under_way[host, port] = Future()
                threading.Thread(target=self._run, args=(host, port), daemon=True, name="http-names").start()
            found = self._under_way[host, port]
        try:
            return found.result(max(0.0, seconds))
        except TimeoutError:
            raise socket.gaierror(socket.EAI_AGAIN, f"no nameserver answers in {seconds:.3g} s") from None

    def _run(self, host: str, port: int) -> None:
        future = self._under_way[host, port]
        try:
            future.set_result([str(address[0]) for *_, address in self.look_up(host, port)])
        except Exception as error:  # for those who wait
            future.set_exception(error)
        finally:
            with self._lock:
                del self._under_way[host, port]

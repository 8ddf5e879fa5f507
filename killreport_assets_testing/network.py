"""A bad network: a TCP proxy between a client and a server that is slow, cuts connections, or says nothing."""

import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType

CHUNK = 4_096
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a connection that ends with a reset."""


class BadNetwork:
    """Listens on `port` of loopback and forwards to a TCP port, or to a unix socket; faults may change at any time."""

    def __init__(self, target: int | str) -> None:
        self._target = target
        self.delay = 0.0
        """Seconds by which each piece of up to CHUNK bytes is late, in either direction."""
        self.reset_after: int | None = None
        """Bytes of the server after which a connection is reset."""
        self.is_silent = False
        """Whether connections are accepted, but nothing is forwarded."""
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> "BadNetwork":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> int:
        """Reset every open connection; returns how many there were."""
        with self._lock:
            cut, self._open = self._open, set()
        for end in cut:
            _reset(end)
        return len(cut)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = self._connect()
            except OSError:
                _reset(client)
                continue
            with self._lock:
                self._open |= {client, server}
            for source, sink, limit in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._forward, args=(source, sink, limit), daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._target)
        return server

    def _forward(self, source: socket.socket, sink: socket.socket, is_from_server: bool) -> None:
        forwarded = 0
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                while self.is_silent:
                    time.sleep(0.05)
                    source.getpeername()  # ends when the connection is cut
                time.sleep(self.delay)
                limit = self.reset_after if is_from_server else None
                sink.sendall(chunk if limit is None else chunk[: max(0, limit - forwarded)])
                forwarded += len(chunk)
                if limit is not None and forwarded >= limit:
                    break
        self._end(source, sink, is_reset=is_from_server and self.reset_after is not None)

    def _end(self, *ends: socket.socket, is_reset: bool) -> None:
        with self._lock:
            self._open -= set(ends)
        for end in ends:
            if is_reset:
                _reset(end)
            else:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    with suppress(OSError):
        end.shutdown(socket.SHUT_RD)  # wakes the thread that reads from it
    end.close()

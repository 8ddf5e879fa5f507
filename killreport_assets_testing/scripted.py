"""A service whose every answer is scripted: for inputs that the sandbox, which behaves, does not give."""

import bz2
import io
import json
import tarfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from killreport_assets.models.killmail import KillmailBody, check


@dataclass(frozen=True)
class Answer:
    """One answer: its body as bytes, as text, or as what is to be JSON; `drip` is the pause after each byte."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0

    @property
    def content(self) -> bytes:
        """The body's bytes; text may hold halves of surrogate pairs."""
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode("utf-8", "surrogatepass")


@dataclass
class ScriptedService:
    """The answers by path, and for any other path. `requests` counts what was requested, `arrivals` has the times."""

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    other: Answer = field(default_factory=lambda: Answer("{}", 404))
    requests: Counter[str] = field(default_factory=Counter)
    arrivals: list[float] = field(default_factory=list)


@contextmanager
def scripted_service() -> Iterator[ScriptedService]:
    """Serve on loopback; every service's URL may be this one's."""
    service = ScriptedService()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each answer waits for an acknowledgement, 40 ms

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.split("?")[0]
            service.requests[path] += 1
            service.arrivals.append(time.time())
            answer = service.answers.get(path, service.other)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.content)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if not answer.drip:
                self.wfile.write(answer.content)
            for byte in answer.content if answer.drip else b"":
                self.wfile.write(bytes([byte]))
                time.sleep(answer.drip)

        do_POST = do_HEAD = do_GET  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """A client that cuts the connection is no error here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        service.url = f"http://127.0.0.1:{server.server_port}"
        yield service
        server.shutdown()


def envelope(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A killmail as R2Z2 publishes it."""
    killmail_hash = check(KillmailBody(body)).killmail_hash
    zkb = {"hash": killmail_hash, "totalValue": 1.5, "points": 1, "npc": False, "solo": False, "awox": False}
    whole = {"killmail_id": body["killmail_id"], "hash": killmail_hash, "esi": body, "zkb": zkb, "uploaded_at": 1785e6}
    return whole | changes


def archive(members: Sequence[bytes], *, streams: int = 1) -> bytes:
    """A tar.bz2 of these members, in so many bzip2 streams."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for number, content in enumerate(members):
            info = tarfile.TarInfo(f"killmails/{number}.json")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    data = packed.getvalue()
    size = -(-len(data) // streams)
    return b"".join(bz2.compress(data[start : start + size]) for start in range(0, len(data), size))

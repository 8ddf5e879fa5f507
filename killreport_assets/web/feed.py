"""New killmails as they are stored: one LISTEN for each process, any number of readers (server-sent events)."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from sqlalchemy.engine import Engine
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from killreport_assets.database.engine import libpq_url
from killreport_assets.store.announcements import CHANNEL

log = logging.getLogger(__name__)
LOOK_SECONDS = 1.0
RECONNECT_SECONDS = 2.0
KEEP_ALIVE_SECONDS = 15.0
MAX_WAITING = 1_000
"""Announcements that a slow reader may leave waiting; it then gets the newest ones only."""
MAX_READERS = 500


class LiveFeed:
    """Passes announcements of stored killmails on to every reader of this process."""

    def __init__(self, engine: Engine) -> None:
        self._url = libpq_url(engine.url)
        self._readers: set[asyncio.Queue[list[int]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen in a thread until the block ends; a lost connection is made again."""
        self._loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._listen, name="live feed", daemon=True)
        thread.start()
        yield
        self._ending.set()
        thread.join()

    async def announced(self) -> AsyncIterator[list[int]]:
        """Yield the ids of each stored batch; an empty list when nothing came for a while."""
        queue: asyncio.Queue[list[int]] = asyncio.Queue(MAX_WAITING)
        self._readers.add(queue)
        try:
            while not self._ending.is_set():
                try:
                    yield await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield []
        finally:
            self._readers.discard(queue)

    async def answer(self, request: Request) -> Response:
        """Answer with server-sent events `killmail`, one for each."""
        if len(self._readers) >= MAX_READERS:
            return Response("too many readers, try again later", 503, {"Retry-After": "30"})

        async def events() -> AsyncIterator[str]:
            yield ": connected\n\n"
            async for ids in self.announced():
                if await request.is_disconnected():
                    return
                for killmail_id in ids:
                    body = json.dumps({"killmail_id": killmail_id, "url": f"/kill/{killmail_id}"})
                    yield f"event: killmail\nid: {killmail_id}\ndata: {body}\n\n"
                if not ids:
                    yield ": nothing new\n\n"

        return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    def _listen(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=10) as connection:
                    connection.execute(f"listen {CHANNEL}")
                    while not self._ending.is_set():
                        for notify in connection.notifies(timeout=LOOK_SECONDS):
                            self._pass_on(notify.payload)
            except psycopg.Error as error:
                log.warning("the live feed lost the database: %s", str(error).splitlines()[0])
                self._ending.wait(RECONNECT_SECONDS)

    def _pass_on(self, payload: str) -> None:
        ids: list[int] = json.loads(payload)
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._put, ids)

    def _put(self, ids: Any) -> None:
        for queue in self._readers:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(ids)

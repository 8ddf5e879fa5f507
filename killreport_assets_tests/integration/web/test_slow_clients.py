"""Clients that send or read slowly: they lose their connection, and others are answered meanwhile."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from killreport_assets.base.network import free_port
from killreport_assets.web.server import DeadlineProtocol
from killreport_assets_testing.waiting import wait_until

SLOW_CLIENTS = 200


class _Impatient(DeadlineProtocol):
    seconds = 2.0


async def _length(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def _much(_request: Request) -> StreamingResponse:
    return StreamingResponse(b"x" * 65_536 for _ in range(10_000))


async def _slow(_request: Request) -> StreamingResponse:
    async def parts() -> AsyncIterator[str]:
        for _ in range(8):
            await asyncio.sleep(0.5)
            yield "part "
        yield "last"

    return StreamingResponse(parts())


async def _busy(request: Request) -> PlainTextResponse:
    await asyncio.sleep(5)
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
def address() -> Iterator[str]:
    app = Starlette(
        routes=[
            Route("/length", _length, methods=["GET", "POST"]),
            Route("/much", _much),
            Route("/slow", _slow),
            Route("/busy", _busy, methods=["POST"]),
        ]
    )
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, http=_Impatient, log_level="warning", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def _connected(stack: ExitStack, address: str) -> socket.socket:
    host, port = urlsplit(address).netloc.split(":")
    return stack.enter_context(socket.create_connection((host, int(port)), timeout=120))


def _read_to_the_end(client: socket.socket) -> int:
    """How many bytes came until the server ended the connection."""
    received = 0
    with suppress(ConnectionResetError):
        while chunk := client.recv(1 << 20):
            received += len(chunk)
    return received


HEAD = b"POST /length HTTP/1.1\r\nHost: 127.0.0.1\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"POST /len", id="part-of-a-line"),
        pytest.param(HEAD + b"X-More: ", id="part-of-the-headers"),
        pytest.param(HEAD + b"Content-Length: 1000\r\n\r\nfirst", id="part-of-the-body"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n", id="body-without-end"),
        pytest.param(HEAD + b"Content-Length: 0\r\n\r\n" + HEAD, id="part-of-a-second-request"),
    ],
)
def test_a_request_that_is_not_whole_in_time_loses_its_connection(address: str, sent: bytes) -> None:
    with ExitStack() as stack:
        clients = [_connected(stack, address) for _ in range(SLOW_CLIENTS)]
        for client in clients:
            client.sendall(sent)
        assert requests.post(f"{address}/length", data=b"12345", timeout=120).text == "5"
        for client in clients:
            _read_to_the_end(client)
    assert requests.post(f"{address}/length", data=b"12345", timeout=120).text == "5"


def test_a_byte_now_and_then_does_not_put_the_end_off(address: str) -> None:
    with ExitStack() as stack:
        client = _connected(stack, address)
        client.sendall(HEAD + b"X-More: ")
        ended = threading.Event()

        def drip() -> None:
            try:
                while not ended.wait(0.1):
                    client.sendall(b"x")
            except OSError:
                ended.set()

        dripping = threading.Thread(target=drip, daemon=True)
        dripping.start()
        wait_until(ended.is_set)
        dripping.join()


def test_a_slow_reader_keeps_its_answer_and_holds_up_no_other(address: str) -> None:
    with ExitStack() as stack:
        client = _connected(stack, address)
        client.sendall(b"GET /much HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        for _ in range(20):
            assert requests.post(f"{address}/length", data=b"12345", timeout=120).text == "5"
        received = _read_to_the_end(client)
    assert received > 10_000 * 65_536


def test_an_answer_is_not_cut_because_the_next_request_has_begun(address: str) -> None:
    with ExitStack() as stack:
        client = _connected(stack, address)
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /le")
        received = b""
        while b"last" not in received:
            chunk = client.recv(65_536)
            assert chunk, "the connection was closed before the answer's end"
            received += chunk


def test_an_upload_is_not_cut_because_the_application_is_busy(address: str) -> None:
    answer = requests.post(f"{address}/busy", data=b"x" * 3_000_000, timeout=120)
    assert answer.text == "3000000"

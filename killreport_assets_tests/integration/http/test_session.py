"""Whole answers: deadlines, size limits, redirects, text and numbers that are not JSON's, proxies."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from killreport_assets.http.errors import Refused, TooLarge, Unavailable
from killreport_assets.http.names import Resolver
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.settings import load_settings
from killreport_assets_testing.scripted import Answer, ScriptedService, scripted_service


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """A scripted service."""
    with scripted_service() as scripted:
        yield scripted


def _session(**values: object) -> HttpSession:
    return HttpSession(load_settings(**values))


def test_an_answer_that_drips_ends_at_its_deadline(service: ScriptedService) -> None:
    service.answers["/slow"] = Answer(b"x" * 10_000, drip=0.05)
    session = _session(http_deadline=1.0, http_timeout=30)
    started = time.monotonic()
    with pytest.raises(Unavailable, match="no whole answer in 1 s"):
        session.request("GET", f"{service.url}/slow")
    assert time.monotonic() - started < 60
    service.answers["/slow"] = Answer(b"quick")
    assert session.request("GET", f"{service.url}/slow").content == b"quick"


def test_headers_that_drip_end_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 10_000:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.05)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        with pytest.raises(Unavailable, match="no whole answer in 1 s"):
            _session(http_deadline=1.0).request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/")


def test_a_name_that_nobody_resolves_ends_its_request_in_time() -> None:
    """Ten requests wait for one look-up, which ends long after them."""
    answers, asked = threading.Event(), list[str]()

    def look_up(host: str, port: int) -> list[tuple[Any, ...]]:
        asked.append(host)
        answers.wait(60)
        return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)

    session = HttpSession(load_settings(http_deadline=1.0, contact="me@example.com"), resolver=Resolver(look_up))

    def seconds(_: int) -> float:
        started = time.monotonic()
        with pytest.raises(Unavailable):
            session.request("GET", "http://esi.example/status")
        return time.monotonic() - started

    try:
        with ThreadPoolExecutor(10) as pool:
            assert max(pool.map(seconds, range(10))) < 30
    finally:
        answers.set()
    assert asked == ["esi.example"]


def test_a_name_that_is_resolved_slowly_is_asked_at_its_first_address_that_answers(service: ScriptedService) -> None:
    port = int(service.url.rpartition(":")[2])
    service.answers["/status"] = Answer(b"{}")

    def look_up(_host: str, port: int) -> list[tuple[Any, ...]]:
        time.sleep(0.2)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.2", "127.0.0.1")]

    session = HttpSession(load_settings(contact="me@example.com"), resolver=Resolver(look_up))
    assert session.request("GET", f"http://esi.example:{port}/status").content == b"{}"
    assert service.requests == {"/status": 1}


def test_a_download_that_drips_ends_at_its_deadline(service: ScriptedService) -> None:
    service.answers["/file"] = Answer(b"x" * 10_000, drip=0.05)
    with (
        _session(download_deadline=1.0).download(f"{service.url}/file") as (_, body),
        pytest.raises(Unavailable, match="no whole answer in 1 s"),
    ):
        body.read()


def test_an_answer_that_unpacks_to_too_much_is_refused(service: ScriptedService) -> None:
    bomb = gzip.compress(b"0" * (3 * 2**20))
    service.answers["/bomb"] = Answer(bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(TooLarge, match="exceeds 2 MiB"):
        _session(http_max_mib=2).request("GET", f"{service.url}/bomb")
    assert len(_session(http_max_mib=3).request("GET", f"{service.url}/bomb").content) == 3 * 2**20


def test_a_redirect_to_another_host_is_refused(service: ScriptedService) -> None:
    with scripted_service() as other:
        service.answers["/there"] = Answer(status=302, headers={"Location": f"{other.url}/secret"})
        with pytest.raises(Refused, match="redirects to another host"):
            _session().request("GET", f"{service.url}/there")
        assert not other.requests
    service.answers["/here"] = Answer(status=302, headers={"Location": "/there-now"})
    service.answers["/there-now"] = Answer({"a": 1})
    assert json_body(_session().request("GET", f"{service.url}/here")) == {"a": 1}


def test_text_that_services_really_send_is_read(service: ScriptedService) -> None:
    service.answers["/names"] = Answer(b'{"a": "half \\ud83d of a pair", "b": "raw \xed\xa0\xbd", "c": "nul \\u0000"}')
    body = json_body(_session().request("GET", f"{service.url}/names"))
    assert isinstance(body, dict)
    assert body["a"] == "half \ud83d of a pair"
    assert body["c"] == "nul \x00"


@pytest.mark.parametrize("broken", [b"", b"<html>", b'{"a": ' + b"9" * 5_000 + b"}", b"[" * 100_000, b'{"a": 1'])
def test_what_is_no_json_is_unavailable(service: ScriptedService, broken: bytes) -> None:
    service.answers["/x"] = Answer(broken)
    response = _session().request("GET", f"{service.url}/x")
    with pytest.raises(Unavailable, match="broken JSON"):
        json_body(response)


def test_loopback_never_goes_through_a_proxy(service: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    service.answers["/x"] = Answer({"a": 1})
    assert json_body(_session().request("GET", f"{service.url}/x")) == {"a": 1}
    assert isinstance(requests.utils.get_environ_proxies("http://example.org"), dict)

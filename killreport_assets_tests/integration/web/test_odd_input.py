"""The sign-in page with input that is odd or hostile: it answers, and shows everything as text."""

import re
import socket
from html import unescape
from urllib.parse import urlsplit

import pytest
import requests
import sqlalchemy as sa

from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.web_server import Visitor


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "{{ 7 * 7 }}{% raw %}",
        "'); drop table ops.sign_ins; --",
        '"><img src=x onerror=alert(1)>',
        "[click](javascript:alert(1)) **bold**",
        "x" * 5_000,
    ],
)
def test_markup_in_names_and_reasons_is_shown_as_text(platform: Platform, visitor: Visitor, name: str) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("update ops.sign_ins set character_name = :name, reason = :name, corporation_reason = :name"),
            {"name": name},
        )
    for page in (visitor.get(), visitor.get(f"/characters/{BODIES_CHARACTER}/forget")):
        assert page.status_code == 200
        assert name in unescape(page.text)
        assert re.findall("<(?:script|img)[^>]*>", page.text) == ['<script src="/static/site.js" defer>'], page.text


def test_a_name_cannot_reorder_or_hide_the_text_around_it(platform: Platform, visitor: Visitor) -> None:
    visitor.sign_in(BODIES_CHARACTER)
    with platform.engine.begin() as connection:
        connection.execute(
            sa.text("update ops.sign_ins set character_name = :name"), {"name": "Chribba\u202egnp.exe\u200b\x1b[2J"}
        )
    page = visitor.get().text
    assert "Chribba\\u202egnp.exe\\u200b\\x1b[2J" in page
    assert page.replace("\n", "").isprintable()


@pytest.mark.parametrize("id_", ["9" * 5000, "9" * 19, "²", "-1", "0x1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_address_with_an_impossible_id_is_not_found(visitor: Visitor, method: str, id_: str) -> None:
    answer = visitor.session.request(method, f"{visitor.url}/characters/{id_}/forget", timeout=10)
    assert answer.status_code == 404


@pytest.mark.parametrize("length", ["9" * 5000, "²", "-5", "1e3", "+5"])
def test_an_impossible_length_is_refused(visitor: Visitor, length: str) -> None:
    host, port = urlsplit(visitor.url).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"POST /sign-out HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode())
        status = int(connection.makefile("rb").readline().split()[1])
    assert status in {400, 413}


@pytest.mark.parametrize("cookie", ["9" * 5000, f"e30=.{'9' * 5000}.x", "e30=.²²²²²².x", "." * 50, "=" * 50])
def test_a_session_that_cannot_be_read_is_none(visitor: Visitor, cookie: str) -> None:
    answer = requests.get(visitor.url, headers={"Cookie": f"killreport_session={cookie}".encode()}, timeout=10)
    assert answer.status_code == 200

"""nginx with our snippet: Dagster's UI is reached by those in KILLREPORT_ADMINS alone, its web socket too."""

import asyncio
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, InvalidURI

from killreport_assets.base.files import PACKAGE
from killreport_assets.base.network import free_port
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.settings import load_settings
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import answers, wait_until
from killreport_assets_testing.web_server import Visitor, serving

SNIPPET = PACKAGE.parent / "deploy" / "proxy" / "nginx.conf"


def _shown(request: Request) -> Response:
    return PlainTextResponse(f"the UI, for {request.headers.get('x-remote-user', 'anyone')}")


async def _socket(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


@contextmanager
def _ui(port: int) -> Iterator[None]:
    app = Starlette(routes=[Route("/dagster/runs", _shown), WebSocketRoute("/dagster/graphql", _socket)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    yield
    server.should_exit = True
    thread.join()


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    url: str
    platform: Platform


@pytest.fixture
def proxy(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The whole: nginx in front of the web application and of something in the place of Dagster's UI."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("Debian's package nginx-light is not installed")
    port, ui_port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("KILLREPORT_AUTH_URL", url)
    monkeypatch.setenv("KILLREPORT_ADMINS", str(BODIES_CHARACTER))
    with serving(load_settings(), platform.engine) as web, _ui(ui_port):
        text = SNIPPET.read_text()
        for old, new in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{port};"),
            ("    http2 on;\n", ""),
            ("    ssl_certificate /etc/ssl/certs/killreport.pem;\n", ""),
            ("    ssl_certificate_key /etc/ssl/private/killreport.key;\n", ""),
            ("http://127.0.0.1:8651", web),
            ("127.0.0.1:3000", f"127.0.0.1:{ui_port}"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        file = tmp_path / "nginx.conf"
        file.write_text(
            f"daemon off; pid {tmp_path}/nginx.pid; error_log stderr warn; events {{}}\n"
            f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;\n"
            f"{text} }}"
        )
        process = subprocess.Popen([str(nginx), "-c", str(file), "-e", "stderr"])
        try:
            wait_until(lambda: answers(f"{url}/static/icon.svg"))
            yield Proxy(url, platform)
        finally:
            process.terminate()
            process.wait()


def _hello(proxy: Proxy, cookie: str) -> str:
    async def ask() -> str:
        url = proxy.url.replace("http", "ws") + "/dagster/graphql"
        async with connect(url, additional_headers={"Cookie": cookie}) as socket:
            return str(await socket.recv())

    return asyncio.run(ask())


def test_the_ui_is_for_admins_alone(proxy: Proxy) -> None:
    stranger = requests.get(f"{proxy.url}/dagster/runs", allow_redirects=False, timeout=60)
    assert (stranger.status_code, stranger.headers.get("Location")) == (302, f"{proxy.url}/me"), stranger.text
    with pytest.raises((InvalidStatus, InvalidURI)):
        _hello(proxy, "")
    assert requests.get(f"{proxy.url}/auth/verify", timeout=60).status_code == 404  # for nginx alone
    other = Visitor(proxy.url)
    other.sign_in(BODIES_CHARACTER)
    answer = other.get("/dagster/runs")
    assert (answer.status_code, answer.text) == (200, f"the UI, for Sandbox%20Pilot%20{BODIES_CHARACTER}")
    cookie = "; ".join(f"{name}={value}" for name, value in other.session.cookies.items())
    assert _hello(proxy, cookie) == "hello"
    proxy.platform.execute("update ops.sign_ins set state = 'disabled'")
    assert other.get("/dagster/runs").status_code == 403
    other.post("/sign-out")
    assert other.get("/dagster/runs").status_code == 302
    requests_with_old_cookie = requests.get(
        f"{proxy.url}/dagster/runs", headers={"Cookie": cookie}, allow_redirects=False, timeout=60
    )
    assert requests_with_old_cookie.status_code == 302

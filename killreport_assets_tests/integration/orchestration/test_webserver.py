"""Dagster's UI over real HTTP and WebSocket, and from another site's page in Chromium: only its own pages use it."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest
import requests
from playwright.sync_api import Page
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from killreport_assets.base.network import free_port
from killreport_assets_testing.browser import CHROMIUM, browsing
from killreport_assets_testing.requirements import missing
from killreport_assets_testing.waiting import wait_until

PROXY_HOST = "dagster.example.org"
VERSION = "{version}"
JSON = {"Content-Type": "application/json"}


@dg.job
def nothing() -> None:
    """A job whose runs can be deleted."""


@dataclass
class Ui:
    """A running webserver and its Dagster instance."""

    port: int
    instance: dg.DagsterInstance

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> requests.Response:
        """GET a path."""
        return requests.get(self.url + path, headers=headers, timeout=30)

    def post(self, query: str, **headers: str) -> requests.Response:
        """POST a query to /graphql as JSON."""
        return requests.post(f"{self.url}/graphql", json={"query": query}, headers=headers, timeout=30)

    def deletion(self) -> tuple[str, str]:
        """A new run's id and the mutation that deletes it."""
        run_id = nothing.execute_in_process(instance=self.instance).run_id
        return run_id, f'mutation{{deleteRun(runId:"{run_id}"){{__typename}}}}'


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    home = tmp_path_factory.mktemp("dagster")
    (home / "workspace.yaml").write_text("load_from: []\n")
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "killreport_assets.orchestration.webserver",
        str(home / "workspace.yaml"),
        str(port),
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KILLREPORT_", "DAGSTER_"))}
    environment = clean | {"DAGSTER_HOME": str(home), "KILLREPORT_UI_ALLOWED_HOSTS": f"other:8080, {PROXY_HOST}"}
    with dg.DagsterInstance.from_config(str(home)) as instance:
        server = subprocess.Popen(command, env=environment)
        made = Ui(port, instance)
        wait_until(lambda: server.poll() is not None or _answers(made), seconds=180)
        yield made
        server.terminate()
        server.wait(30)


def _answers(ui: Ui) -> bool:
    try:
        return ui.get("/server_info").ok
    except requests.ConnectionError:
        return False


def test_the_ui_and_programs_are_answered(ui: Ui) -> None:
    assert "<html" in ui.get("/").text
    assert ui.post(VERSION).json()["data"]["version"]
    run_id, mutation = ui.deletion()
    own = {"Origin": ui.url, "Sec-Fetch-Site": "same-origin"}
    assert ui.post(mutation, **own).json() == {"data": {"deleteRun": {"__typename": "DeletePipelineRunSuccess"}}}
    assert not ui.instance.has_run(run_id)


@pytest.mark.parametrize("host", ["localhost:{}", "LOCALHOST:{}", "127.0.0.1:{}", "[::1]:{}", PROXY_HOST, "other:8080"])
def test_names_of_loopback_and_of_the_setting_are_answered(ui: Ui, host: str) -> None:
    host = host.format(ui.port)
    assert ui.post(VERSION, Host=host, Origin=f"http://{host}".lower()).ok
    assert ui.post(VERSION, Host=host, Origin=f"https://{host}".lower()).ok


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{}", "127.0.0.1", "localhost:1", "localhost.evil.example:{}", "[::1", "other", ""],
)
@pytest.mark.parametrize("path", ["/", "/server_info", "/graphql"])
def test_a_foreign_host_is_refused(ui: Ui, host: str, path: str) -> None:
    answer = ui.get(path, Host=host.format(ui.port))
    assert (answer.status_code, "KILLREPORT_UI_ALLOWED_HOSTS" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://"]
)
def test_a_foreign_origin_is_refused(ui: Ui, origin: str) -> None:
    run_id, mutation = ui.deletion()
    for headers in ({"Origin": origin}, {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}):
        assert ui.post(mutation, **headers).status_code == 403
        assert ui.get("/server_info", **headers).status_code == 403
        report = requests.post(f"{ui.url}/report_asset_materialization/mine", headers=headers, timeout=30)
        assert report.status_code == 403
    assert ui.instance.has_run(run_id)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_may_only_link_to_a_page(ui: Ui, site: str) -> None:
    run_id, mutation = ui.deletion()
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ui.get("/runs", **link).ok
    assert ui.get("/runs", **link | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert ui.get("/runs", **{"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}).status_code == 403
    assert ui.get(f"/graphql?query={mutation}", **link).status_code == 405
    assert ui.post(mutation, **link).status_code == 403
    assert ui.instance.has_run(run_id)


def test_a_mutation_comes_by_post_with_json_only(ui: Ui) -> None:
    run_id, mutation = ui.deletion()
    query: dict[str, Any] = {"params": {"query": mutation}, "timeout": 30}
    url = f"{ui.url}/graphql"
    for path in ("graphql", "%67raphql"):
        assert requests.get(f"{ui.url}/{path}", **query).status_code == 405
        assert requests.get(f"{ui.url}/{path}", headers={"Accept": "text/html"}, **query).status_code == 405
    assert requests.head(url, **query).status_code == 405
    assert requests.post(url, **query).status_code == 405
    for kind in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/graphql",
        "text/plain; application/json",
    ):
        assert requests.post(url, headers={"Content-Type": kind}, data=mutation, **query).status_code == 405
    assert ui.instance.has_run(run_id)
    assert "graphiql" in ui.get("/graphql", Accept="text/html").text.lower()
    body = requests.post(
        url, headers={"Content-Type": "application/json; charset=utf-8"}, json={"query": VERSION}, timeout=30
    )
    assert body.ok


def test_the_chart_of_an_assets_last_materialization_is_an_image(ui: Ui) -> None:
    assert ui.get("/charts/marts/mart_drawn.png").status_code == 404
    for content in (b"older", b"newest"):
        url = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        metadata = {"chart": dg.MetadataValue.md(f"![a chart]({url})")}
        ui.instance.report_runless_asset_event(dg.AssetMaterialization(["marts", "mart_drawn"], metadata=metadata))
    answer = ui.get("/charts/marts/mart_drawn.png")
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "image/png", b"newest")
    ui.instance.report_runless_asset_event(dg.AssetMaterialization(["marts", "mart_plain"], metadata={"chart": "none"}))
    assert ui.get("/charts/marts/mart_plain.png").status_code == 404


def test_a_websocket_is_opened_for_own_pages_only(ui: Ui) -> None:
    def opened(**headers: str) -> bool:
        subprotocol: Any = "graphql-ws"
        try:
            url = f"ws://127.0.0.1:{ui.port}/graphql"
            with connect(url, additional_headers=headers, subprotocols=[subprotocol], proxy=None) as socket:
                socket.send('{"type": "connection_init"}')
                return "connection_ack" in str(socket.recv(timeout=30))
        except InvalidStatus:
            return False

    assert opened()
    assert opened(Origin=ui.url)
    assert not opened(Origin="https://evil.example")
    assert not opened(Origin="null")
    assert not opened(**{"Sec-Fetch-Site": "cross-site"})


@contextmanager
def _other_site(folder: Path) -> Iterator[str]:
    """A page of another origin."""
    (folder / "index.html").write_text("<title>another site</title>")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page() -> Iterator[Page]:
    if CHROMIUM is None:
        missing("Chromium is not installed: apt install chromium")
    with browsing(javascript=True) as page:
        yield page


OPEN_SOCKET = """url => new Promise(done => {
    const socket = new WebSocket(url, "graphql-ws");
    socket.onopen = () => done("open");
    socket.onerror = () => done("refused");
})"""
FETCH = "([url, init]) => fetch(url, init).then(answer => answer.type + ' ' + answer.status, () => 'refused')"
LOAD_IMAGE = "url => new Promise(done => { const i = new Image(); i.onload = i.onerror = () => done(1); i.src = url; })"


def test_a_page_of_another_site_can_do_nothing_in_a_browser(ui: Ui, page: Page, tmp_path: Path) -> None:
    run_id, mutation = ui.deletion()
    url = f"{ui.url}/graphql?query={mutation}"
    with _other_site(tmp_path) as other:
        page.goto(other)
        page.evaluate(LOAD_IMAGE, url)
        page.evaluate(FETCH, [url, {"mode": "no-cors"}])
        page.evaluate(FETCH, [url, {"mode": "no-cors", "method": "POST", "body": "x"}])
        assert (
            page.evaluate(FETCH, [f"{ui.url}/graphql", {"method": "POST", "body": "{}", "headers": JSON}]) == "refused"
        )
        assert page.evaluate(OPEN_SOCKET, f"ws://127.0.0.1:{ui.port}/graphql") == "refused"
    assert ui.instance.has_run(run_id)


def test_the_ui_works_in_a_browser(ui: Ui, page: Page) -> None:
    page.goto(f"http://localhost:{ui.port}/runs")
    page.get_by_text("No runs").or_(page.get_by_text("nothing").first).first.wait_for()
    assert page.evaluate(OPEN_SOCKET, f"ws://localhost:{ui.port}/graphql") == "open"

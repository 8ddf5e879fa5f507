"""Users as an operator and a visitor see them: the page, the commands, Dagster; and no secret anywhere in all of it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa

from killreport_assets.base.network import free_port
from killreport_assets.orchestration.instance import dagster_environment
from killreport_assets.sandbox.services.sso import CLIENT_SECRET, CONFIDENTIAL_CLIENT
from killreport_assets.sandbox.world import BODIES_CHARACTER, World
from killreport_assets.settings import load_settings
from killreport_assets.users.vault import KEY_FILE
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import answers, wait_until
from killreport_assets_testing.web_server import Visitor
from killreport_assets_tests.end_to_end.conftest import COMMAND, Home

ENDED, FAILING = [id_ for id_ in sorted(World().affiliations) if id_ > 90_000_000][:2]
QUICK = {"idle_seconds": 0.5}
EVERYTHING = """{
  runsOrError { ... on Runs { results {
    runId runConfigYaml tags { key value } eventConnection(limit: 1000) { events { ... on MessageEvent { message } } }
  } } }
  assetsOrError { ... on AssetConnection { nodes {
    assetMaterializations(limit: 20) { label description metadataEntries {
      label description ... on TextMetadataEntry { text } ... on MarkdownMetadataEntry { mdStr } } } } } }
  repositoriesOrError { ... on RepositoryConnection { nodes { allTopLevelResourceDetails {
    name description configFields { name } configuredValues { key value } } } } }
}"""


@dataclass
class Stage:
    """A home with users, and every text that came out of what was done with them."""

    home: Home
    sandbox: Sandbox
    texts: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """Keys of the vault that were in use once."""

    @property
    def environment(self) -> dict[str, str]:
        """For processes of this home."""
        return self.home.variables({})

    def run(self, *arguments: str) -> str:
        """A command's output, kept."""
        answer = self.home.call(*arguments)
        self.texts[" ".join(arguments)[:60]] = answer.stdout + answer.stderr
        assert answer.code == 0, answer.stderr
        return answer.stdout

    def job(self, name: str, ops: dict[str, object] | None = None) -> None:
        """Run one of Dagster's jobs in a process of its own."""
        config = self.home.path / f"{name}.json"
        config.write_text(json.dumps({"ops": {op: {"config": value} for op, value in (ops or {}).items()}}))
        job = ["job", "execute", "-m", "killreport_assets.definitions", "-j", name, "-c", str(config)]
        answer = self.home.run("dagster", *job)
        self.texts[name] = answer.stdout + answer.stderr
        assert answer.returncode == 0, answer.stderr

    def urls(self) -> list[str]:
        """Both databases."""
        own = self.home.database_url.replace("postgresql://", "postgresql+psycopg://")
        return [own, own.replace("/killreport?", "/dagster?")]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, _sandbox_process) -> Iterator[Stage]:  # type: ignore[no-untyped-def]
    """Three users sign in through the page; their lists are read by Dagster's jobs; one refresh fails, one is final."""
    sandbox = Sandbox(_sandbox_process)
    port = free_port()
    environment = sandbox.urls | {
        "KILLREPORT_AUTH_PORT": str(port),
        "KILLREPORT_LOG_LEVEL": "DEBUG",
        "KILLREPORT_LOG_FORMAT": "json",
        "KILLREPORT_SSO_CLIENT_ID": CONFIDENTIAL_CLIENT,
        "KILLREPORT_SSO_CLIENT_SECRET": CLIENT_SECRET,
        "KILLREPORT_ESI_MAX_RPS": "500",
        "KILLREPORT_ESI_DOWNTIME": "",
        "KILLREPORT_DELAY_TIERS": "0.2,0.4",
    }
    stage = Stage(Home(tmp_path_factory.mktemp("users") / "home", environment), sandbox)
    log = tmp_path_factory.mktemp("logs") / "auth"
    with log.open("w") as out:
        server = subprocess.Popen(
            [str(COMMAND), "auth", "serve"], env=stage.environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        visitor = Visitor(f"http://127.0.0.1:{port}")
        wait_until(partial(answers, visitor.url))
        for character_id in (BODIES_CHARACTER, ENDED, FAILING):
            visitor.sign_in(character_id, "corporation" if character_id == BODIES_CHARACTER else "character")
        visitor.come_back(f"{visitor.url}/callback?code={sandbox.issued()[0]}&state=wrong")
        stage.keys += (stage.home.path / KEY_FILE).read_text().split()
        _work(stage)
        stage.texts["page"] = visitor.get().text
        stage.texts["cookies"] = str(dict(visitor.session.cookies))
        yield stage
    finally:
        server.terminate()
        server.wait(20)
        stage.home.down()
        sandbox.reset()


def _work(stage: Stage) -> None:
    engine = sa.create_engine(stage.urls()[0])
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.tokens set expires_at = now()"))
    engine.dispose()
    stage.sandbox.end_grants(ENDED)
    stage.sandbox.sso(failing=[FAILING])
    stage.job("queue_users")
    stage.texts["queued"] = _dump(stage.urls())
    stage.job("drain_esi_user_killmails_queue", {"consume_esi_user_killmails_queue": QUICK | {"idle_seconds": 2}})
    stage.job("drain_esi_corporation_killmails_queue", {"consume_esi_corporation_killmails_queue": QUICK})
    stage.run("users", "sync", str(BODIES_CHARACTER))
    stage.job("ingest_killmails", {"killmails": {"source": {"user": {"character_ids": [BODIES_CHARACTER]}}}})
    stage.texts["done"] = _dump(stage.urls())


def _dump(urls: list[str]) -> str:
    """Every row of every table of every schema, as text."""
    rows: list[str] = []
    for url in urls:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            tables = connection.execute(
                sa.text(
                    "select format('%I.%I', table_schema, table_name) from information_schema.tables "
                    "where table_type = 'BASE TABLE' and table_schema not in ('pg_catalog', 'information_schema')"
                )
            ).scalars()
            for table in tables.all():
                rows += connection.execute(sa.text(f"select t::text from {table} t")).scalars().all()
        engine.dispose()
    return "\n".join(rows)


def _graphql(stage: Stage) -> str:
    """What the UI can ask for."""
    settings = load_settings(home=stage.home.path)
    port = free_port()
    command = [str(Path(sys.executable).with_name("dagster-webserver")), "-m", "killreport_assets.definitions"]
    environment = stage.environment | dagster_environment(settings)
    server = subprocess.Popen([*command, "-h", "127.0.0.1", "-p", str(port)], env=environment, stderr=subprocess.PIPE)
    try:
        wait_until(partial(answers, f"http://127.0.0.1:{port}"))
        answer = requests.post(f"http://127.0.0.1:{port}/graphql", json={"query": EVERYTHING}, timeout=60)
    finally:
        server.terminate()
        server.communicate(timeout=30)
    assert "errors" not in answer.json(), answer.text[:500]
    return answer.text


def _metrics(stage: Stage) -> str:
    port = free_port()
    server = subprocess.Popen([str(COMMAND), "metrics", "--port", str(port)], env=stage.environment)
    try:
        wait_until(partial(answers, f"http://127.0.0.1:{port}/health"))
        return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    finally:
        server.terminate()
        server.wait(20)


def test_the_commands_about_users(stage: Stage) -> None:
    listed = json.loads(stage.run("users", "list", "--json"))
    states = {user["character_id"]: (user["state"], user["outcome"]) for user in listed}
    assert states[BODIES_CHARACTER] == ("active", "complete")
    assert states[ENDED][0] == "disabled"
    assert states[FAILING][0] == "active"
    assert "Sign in again" in stage.run("users", "list")
    shown = stage.run("users", "show", str(BODIES_CHARACTER))
    assert "esi-killmails.read_corporation_killmails.v1" in shown
    stage.run("users", "interval", str(BODIES_CHARACTER), "premium")
    assert "tier: premium" in stage.run("users", "show", str(BODIES_CHARACTER))
    stage.run("users", "interval", str(BODIES_CHARACTER), "1200")
    assert "interval_seconds: 1200" in stage.run("users", "show", str(BODIES_CHARACTER))
    for wrong in (["interval", str(BODIES_CHARACTER), "299"], ["show", "1"], ["sync"], ["sync", str(ENDED)]):
        answer = stage.home.call("users", *wrong)
        assert answer.code == 2, wrong
        assert answer.stderr.startswith("error:"), answer.stderr
    status = stage.home.call("status")
    assert "1 users have to sign in again" in status.stdout
    assert "user_killmails listings of the last hour" in status.stdout
    assert "encrypted the tokens of 2 users" in stage.run("tokens", "rotate-key")
    assert stage.run("tokens", "rotate-key")
    stage.run("users", "sync", "--due")
    assert len(stage.home.call("tokens", "new-key").stdout.strip()) == 44


def test_no_secret_is_anywhere(stage: Stage) -> None:
    stage.texts["metrics"] = _metrics(stage)
    assert 'killreport_users{state="active"} 2.0' in stage.texts["metrics"]
    stage.texts["graphql"] = _graphql(stage)
    stage.texts["status"] = stage.home.call("status", "--json").stdout
    stage.texts["at the end"] = _dump(stage.urls())
    for path in stage.home.path.rglob("*"):
        if path.is_file() and path.name != KEY_FILE and "postgres" not in str(path.relative_to(stage.home.path)):
            stage.texts[str(path)] = path.read_text(errors="replace")
    for log in stage.home.path.parent.parent.glob("logs*/auth"):
        stage.texts["log of the page"] = log.read_text()
    secrets = [*stage.sandbox.issued(), CLIENT_SECRET, *stage.keys, *(stage.home.path / KEY_FILE).read_text().split()]
    assert len(secrets) > 8
    for name, text in stage.texts.items():
        for secret in secrets:
            assert secret not in text, name
            assert secret[:40] not in text or len(secret) < 40, name
        assert not re.search(r"eyJ[\w-]{10,}\.[\w-]{10,}", text.replace(stage.texts["cookies"], "")), name
    assert "gAAAA" in stage.texts["at the end"]
    for name in ("queued", "done", "graphql", "log of the page"):  # there was something to be seen
        assert len(stage.texts[name]) > 200, name
    assert "consume_esi_user_killmails_queue" in stage.texts["done"]
    assert str(BODIES_CHARACTER) in stage.texts["graphql"]


def test_forgetting_from_the_command_line(stage: Stage) -> None:
    assert "is forgotten" in stage.run("users", "forget", str(FAILING), "--yes")
    assert stage.home.call("users", "show", str(FAILING)).code == 2


def test_the_page_listens_on_loopback_and_says_how_to_go_further(stage: Stage) -> None:
    answer = stage.home.call("auth", "serve", "--host", "0.0.0.0")
    assert answer.code == 2
    assert "KILLREPORT_AUTH_URL=https://" in answer.stderr
    without = stage.home.call("auth", "serve", KILLREPORT_SSO_CLIENT_ID="")
    assert without.code == 2
    assert "developers.eveonline.com" in without.stderr

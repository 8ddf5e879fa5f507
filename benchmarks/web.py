"""The web application over a generated million killmails: pages, GraphQL, REST, beside plain SQL in the same run."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.result import Result
from benchmarks.statistics import build, load
from killreport_assets.base.network import free_port
from killreport_assets.database.engine import libpq_url
from killreport_assets.provision.readers import WEB_READER, allow_reading
from killreport_assets.settings import load_settings
from killreport_assets.web.entities import KINDS
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.waiting import answers, wait_until

HOME = Path("/tmp") / "killreport-bench-web"
COPIES = int(os.environ.get("BENCH_COPIES", "20"))
"""Of 50,000 killmails each; fewer to try the benchmark itself."""
SAMPLES = 20
SECONDS = 10.0
CLIENTS = 4
LIST = """{ killmails(first: 100) { nodes { killmailId killmailTime totalValue
    victim { character { name } shipType { name } } } } }"""
WITH_ATTACKERS = """{ killmails(first: 100) { nodes { killmailId killmailTime totalValue
    victim { character { name } shipType { name } } attackers { characterId damageDone finalBlow } } } }"""
SAME_LIST = """
    select killmail_id, killmail_time, total_value, victim_character_name, victim_ship_name
    from marts.fct_killmails where killmail_date >= (select max(killmail_date) from marts.fct_killmails) - 1
    order by killmail_time desc, killmail_id desc limit 100
"""
SAME_WITH_ATTACKERS = """
    with newest as materialized (
        select killmail_id, killmail_time, total_value, victim_character_name, victim_ship_name
        from marts.fct_killmails where killmail_date >= (select max(killmail_date) from marts.fct_killmails) - 1
        order by killmail_time desc, killmail_id desc limit 100
    )
    select * from newest join marts.fct_attackers using (killmail_id)
"""


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Load and build once, then ask."""
    engine = stack.enter_context(databases.fresh())
    load(engine, copies=COPIES)
    yield Result(f"full build over {COPIES * 50_000:,} killmails", build(engine, is_nightly=True), "s")
    url = stack.enter_context(_serving(engine))
    yield from _pages(engine, url)
    yield from _graphql(engine, url)
    yield _rate(url)


@contextmanager
def _serving(engine: Engine) -> Iterator[str]:
    port = free_port()
    allow_reading(load_settings(home=str(HOME)), engine)
    environment = os.environ | {
        "KILLREPORT_HOME": str(HOME),
        "KILLREPORT_DATABASE_URL": libpq_url(engine.url),
        "KILLREPORT_WEB_READER_URL": libpq_url(engine.url.set(username=WEB_READER.name)),
        "KILLREPORT_API_REQUESTS_ANONYMOUS": "1000000",
        "KILLREPORT_ESI_URL": "http://127.0.0.1:1/esi",
        "KILLREPORT_SSO_URL": "http://127.0.0.1:1/sso",
        "KILLREPORT_ZKILLBOARD_URL": "http://127.0.0.1:1/zkillboard",
        "KILLREPORT_R2Z2_URL": "http://127.0.0.1:1/r2z2",
        "KILLREPORT_EVEREF_URL": "http://127.0.0.1:1/everef",
        "KILLREPORT_SDE_URL": "http://127.0.0.1:1/sde",
    }
    command = [str(Path(sys.executable).parent / "killreport"), "web", "serve", "--port", str(port), "--workers", "2"]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{url}/static/icon.svg"))
        yield url
    finally:
        server.terminate()
        server.wait()


def _ids(engine: Engine, query: str) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)).scalars())


def _pages(engine: Engine, url: str) -> Iterator[Result]:
    """Half of the samples are the most prolific, half are any."""
    paths = {"the front page": ["/"] * SAMPLES, "killmails by time": ["/kills"] * SAMPLES}
    killmails = "select killmail_id from marts.fct_killmails order by attacker_count desc, 1 limit 10"
    any_killmails = "select killmail_id from marts.fct_killmails where mod(killmail_id, 997) = 0 limit 10"
    ids = _ids(engine, killmails) + _ids(engine, any_killmails)
    paths["a killmail"] = [f"/kill/{id_}" for id_ in ids]
    for name, kind in KINDS.items():
        most = f"select {name}_id from marts.mart_{name}_all_time order by kills + losses desc, 1 limit 10"
        few = f"select {name}_id from marts.mart_{name}_all_time order by kills + losses, 1 limit 10"
        if ids := _ids(engine, most) + _ids(engine, few):
            paths[f"a page of the kind {kind.title.lower()}"] = [f"/{kind.path}/{id_}" for id_ in ids]
    for name, asked in paths.items():
        times, largest = [], 0
        for path in asked:
            answer = requests.get(url + path, timeout=60, stream=True)
            times.append(answer.elapsed.total_seconds() * 1000)
            assert answer.ok, (path, answer.status_code)
            largest = max(largest, len(answer.content))
        percentile = _percentile(times)
        is_met = percentile <= 100 and largest <= 150_000
        wanted = f"p95 at most 100 ms and 150 kB; largest {largest / 1000:,.0f} kB"
        yield Result(f"first byte of {name}, p95", percentile, "ms", wanted=wanted, met=is_met)


def _percentile(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _graphql(engine: Engine, url: str) -> Iterator[Result]:
    session = requests.Session()
    wanted = ("at most 50 ms", 50.0)
    for name, query, same in (
        ("100 killmails", LIST, SAME_LIST),
        ("with attackers", WITH_ATTACKERS, SAME_WITH_ATTACKERS),
    ):
        with engine.connect() as connection:
            plain = min(_seconds(lambda: connection.execute(sa.text(same)).all()) for _ in range(SAMPLES)) * 1000  # noqa: B023

        def ask() -> None:
            answer = session.post(f"{url}/graphql", json={"query": query}, timeout=60).json()  # noqa: B023
            assert len(answer["data"]["killmails"]["nodes"]) == 100

        median = statistics.median(sorted(_seconds(ask) * 1000 for _ in range(SAMPLES)))
        is_met = median <= wanted[1]
        yield Result(f"GraphQL: {name}, median", median, "ms", "plain SQL", median / plain, wanted[0], is_met)


def _seconds(work: object) -> float:
    started = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - started


def _rate(url: str) -> Result:
    """Requests that the last build's answers still serve, by a few clients on the same machine."""
    body = {"query": "{ leaderboard(kind: CHARACTER, metric: KILLS, period: ALL) { rank value } }"}
    etag = requests.post(f"{url}/graphql", json=body, timeout=60).headers["ETag"]
    deadline = time.monotonic() + SECONDS

    def client(_: int) -> int:
        session, count = requests.Session(), 0
        while time.monotonic() < deadline:
            answer = session.post(f"{url}/graphql", json=body, headers={"If-None-Match": etag}, timeout=60)
            assert answer.status_code == 304
            count += 1
        return count

    with ThreadPoolExecutor(CLIENTS) as pool:
        rate = sum(pool.map(client, range(CLIENTS))) / SECONDS
    return Result("GraphQL, unchanged since the last build", rate, "requests/s", wanted="at least 300", met=rate >= 300)

"""The sandbox as one web application, its control routes, and starting it in this process or in one of its own.

The control routes are the sandbox's own, under /sandbox: statistics, faults, and releasing made killmails.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from killreport_assets.base.errors import UserError
from killreport_assets.sandbox.authorized_killmails import AuthorizedKillmails
from killreport_assets.sandbox.esi import SandboxEsi
from killreport_assets.sandbox.faults import Faults
from killreport_assets.sandbox.feed import LiveFeed
from killreport_assets.sandbox.feeds import SandboxFeeds
from killreport_assets.sandbox.generated import GeneratedKillmails, Profile
from killreport_assets.sandbox.limits import TICK_SECONDS, Statistics
from killreport_assets.sandbox.market import SandboxMarket
from killreport_assets.sandbox.serving import Serving
from killreport_assets.sandbox.sso import NATIVE_CLIENT, SandboxSso, SsoSwitches, base_url
from killreport_assets.sandbox.world import World

START_SECONDS = 30.0


def build_app(
    state: Path | None = None, release_every: float | None = None, seed: int = 0, profile: Profile = "fights"
) -> Starlette:
    """The application; with `release_every` (seconds) its feed lives."""
    world = World()
    feed = LiveFeed(world, GeneratedKillmails(world, seed, profile), state)
    faults, statistics = Faults(), Statistics()
    serving = Serving(faults, statistics)
    sso = SandboxSso(world, serving)
    own = AuthorizedKillmails(world, serving, sso)
    market = SandboxMarket(world, serving)
    esi = SandboxEsi(world, feed, serving, own, market)

    async def show_statistics(_request: Request) -> Response:
        return JSONResponse(statistics.as_json())

    async def set_faults(request: Request) -> Response:
        try:
            faults.set(await request.json())
        except ValueError as wrong:
            return JSONResponse({"error": str(wrong)}, 400)
        return JSONResponse({"latency": faults.latency, "rules": len(faults.rules)})

    async def reset(_request: Request) -> Response:
        faults.set({})
        statistics.reset()
        esi.reset()
        sso.reset()
        return JSONResponse({})

    async def release(request: Request) -> Response:
        return JSONResponse({"head": feed.release(int(request.query_params.get("count", "1")))})

    async def move(request: Request) -> Response:
        body = await request.json()
        esi.move(body["character_id"], body["corporation_id"], body.get("alliance_id"))
        return JSONResponse({})

    async def switch_sso(request: Request) -> Response:
        sso.switches = SsoSwitches.model_validate(await request.json())
        return JSONResponse({})

    async def grant(request: Request) -> Response:
        body = await request.json()
        return JSONResponse(
            sso.grant(base_url(request), body["client_id"], body["character_id"], tuple(body["scopes"]))
        )

    async def issued(_request: Request) -> Response:
        return JSONResponse(sso.issued)

    async def end_grants(request: Request) -> Response:
        sso.end((await request.json())["character_id"])
        return JSONResponse({})

    async def sell(request: Request) -> Response:
        sso.sell((await request.json())["character_id"])
        return JSONResponse({})

    async def switch_own_killmails(request: Request) -> Response:
        body = await request.json()
        own.page_size = body.get("page_size", own.page_size)
        own.cache_seconds = body.get("cache_seconds", own.cache_seconds)
        own.refused |= {int(id_): said for id_, said in body.get("refused", {}).items()}
        return JSONResponse({})

    @contextlib.asynccontextmanager
    async def living(_app: Starlette) -> AsyncIterator[None]:
        async def release_for_ever(every: float) -> None:
            while True:
                await asyncio.sleep(every)
                feed.release()

        async def tick_for_ever() -> None:
            while True:
                statistics.tick()
                await asyncio.sleep(TICK_SECONDS)

        tasks = [asyncio.create_task(tick_for_ever())]
        tasks += [asyncio.create_task(release_for_ever(release_every))] if release_every else []
        yield
        for task in tasks:
            task.cancel()

    control = [
        Route("/sandbox/statistics", show_statistics),
        Route("/sandbox/faults", set_faults, methods=["PUT"]),
        Route("/sandbox/reset", reset, methods=["POST"]),
        Route("/sandbox/release", release, methods=["POST"]),
        Route("/sandbox/move", move, methods=["POST"]),
        Route("/sandbox/sso", switch_sso, methods=["PUT"]),
        Route("/sandbox/sso/issued", issued),
        Route("/sandbox/sso/grant", grant, methods=["POST"]),
        Route("/sandbox/sso/end", end_grants, methods=["POST"]),
        Route("/sandbox/sso/sell", sell, methods=["POST"]),
        Route("/sandbox/own-killmails", switch_own_killmails, methods=["PUT"]),
    ]
    services = [*esi.routes(), *sso.routes(), *market.routes(), *SandboxFeeds(world, feed, serving).routes()]
    return Starlette(routes=[*control, *services], lifespan=living)


def service_urls(port: int) -> dict[str, str]:
    """The settings that point every service at a sandbox on this port, by environment variable."""
    names = {"ESI": "esi", "SSO": "sso", "ZKILLBOARD": "zkillboard", "R2Z2": "r2z2", "EVEREF": "everef", "SDE": "sde"}
    urls = {f"KILLREPORT_{name}_URL": f"http://127.0.0.1:{port}/{path}" for name, path in names.items()}
    return urls | {"KILLREPORT_SSO_CLIENT_ID": NATIVE_CLIENT}


def serve(
    port: int, state: Path | None = None, release_every: float | None = None, seed: int = 0, profile: Profile = "fights"
) -> None:
    """Serve in this process until it is interrupted."""
    import uvicorn

    app = build_app(state, release_every, seed, profile)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)


class SandboxProcess:
    """A sandbox in a process of its own, which ends with `stop()` or with its parent."""

    def __init__(self, port: int | None = None, state: Path | None = None, release_every: float | None = None) -> None:
        self.port = port or _free_port()
        if port is not None and _is_taken(port):
            raise UserError(f"port {port} is taken: set KILLREPORT_SANDBOX_PORT to another")
        command = [sys.executable, "-m", "killreport_assets.sandbox.app", str(self.port), str(os.getpid())]
        command += ["--state", str(state)] if state else []
        command += ["--release-every", str(release_every)] if release_every else []
        self._process = subprocess.Popen(command, start_new_session=True)
        self._wait_until_it_answers()

    @property
    def urls(self) -> dict[str, str]:
        """The settings that point every service at it."""
        return service_urls(self.port)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "SandboxProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise UserError(f"the sandbox did not start on port {self.port}")
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_taken(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/sandbox/statistics", timeout=1):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


async def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        await asyncio.sleep(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _main() -> None:
    import argparse

    import uvicorn

    parser = argparse.ArgumentParser(description="a sandbox that ends with its parent; by hand: killreport sandbox")
    parser.add_argument("port", type=int)
    parser.add_argument("parent", type=int)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--release-every", type=float)
    arguments = parser.parse_args()
    app = build_app(arguments.state, arguments.release_every)
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=arguments.port, log_level="warning", access_log=False)
    )

    async def run() -> None:
        watching = asyncio.create_task(_end_with_parent(arguments.parent))
        await server.serve()
        watching.cancel()

    asyncio.run(run())


if __name__ == "__main__":
    _main()

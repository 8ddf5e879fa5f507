"""The sandbox as one web application: every service over one world, and the control routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette

from killreport_assets.sandbox.control import SandboxControl
from killreport_assets.sandbox.faults import Faults
from killreport_assets.sandbox.generated import GeneratedKillmails, Profile
from killreport_assets.sandbox.limits import TICK_SECONDS, Statistics
from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.services.esi import SandboxEsi
from killreport_assets.sandbox.services.esi_authorized_killmails import AuthorizedKillmails
from killreport_assets.sandbox.services.everef import SandboxEveRef
from killreport_assets.sandbox.services.market import SandboxMarket
from killreport_assets.sandbox.services.r2z2 import SandboxR2z2
from killreport_assets.sandbox.services.sde import SandboxSde
from killreport_assets.sandbox.services.sso import SandboxSso
from killreport_assets.sandbox.services.wars import SandboxWars
from killreport_assets.sandbox.services.zkillboard import SandboxZkillboard
from killreport_assets.sandbox.serving import Serving
from killreport_assets.sandbox.world import World


def build_app(
    state: Path | None = None, release_every: float | None = None, seed: int = 0, profile: Profile = "fights"
) -> Starlette:
    """The application; with `release_every` (seconds) its feed lives."""
    world = World()
    feed = LiveFeed(world, GeneratedKillmails(world, seed, profile), state)
    serving = Serving(Faults(), Statistics())
    sso = SandboxSso(world, serving)
    lists = AuthorizedKillmails(world, serving, sso)
    market = SandboxMarket(world, serving)
    wars = SandboxWars(world, serving)
    esi = SandboxEsi(world, feed, serving, lists, market, wars)
    services = (
        SandboxControl(serving, feed, esi, sso, lists),
        esi,
        sso,
        market,
        wars,
        SandboxR2z2(world, feed, serving),
        SandboxZkillboard(world, serving),
        SandboxEveRef(world, serving),
        SandboxSde(world, serving),
    )

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(_tick_for_ever(serving.statistics))]
        tasks += [asyncio.create_task(_release_for_ever(feed, release_every))] if release_every else []
        yield
        for task in tasks:
            task.cancel()

    return Starlette(routes=[route for service in services for route in service.routes()], lifespan=lifespan)


async def _release_for_ever(feed: LiveFeed, every: float) -> None:
    while True:
        await asyncio.sleep(every)
        feed.release()


async def _tick_for_ever(statistics: Statistics) -> None:
    while True:
        statistics.tick()
        await asyncio.sleep(TICK_SECONDS)

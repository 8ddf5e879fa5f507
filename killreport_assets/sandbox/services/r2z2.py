"""The sandbox's R2Z2: zKillboard's live feed, and its history by day."""

from functools import cached_property

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.serving import Serving, json_response, refuse_blank_agent
from killreport_assets.sandbox.world import GenuineKillmail, World

RAW_YEARS = range(2020, 2100)
"""Of days in other years the sandbox has lists without bodies, as zKillboard has of most days."""


class SandboxR2z2:
    """The feed's head, and its entries by number; each day's killmails, bodies only of days in `RAW_YEARS`."""

    def __init__(self, world: World, feed: LiveFeed, serving: Serving) -> None:
        self._world, self._feed, self._serving = world, feed, serving

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            self._serving.route("r2z2", "/ephemeral/sequence.json", self._sequence),
            self._serving.route("r2z2", "/ephemeral/{sequence:int}.json", self._entry),
            self._serving.route("r2z2", "/history/totals.json", self._totals),
            self._serving.route("r2z2", "/history/{day}.json", self._day),
            self._serving.route("r2z2", "/history/raw/{day}.json", self._bodies),
        ]

    def _totals(self, request: Request) -> Response:
        return refuse_blank_agent(request) or json_response(
            {day: len(killmails) for day, killmails in self._days.items()}
        )

    def _day(self, request: Request) -> Response:
        killmails = self._days.get(request.path_params["day"])
        answer = {killmail.id: killmail.hash for killmail in killmails or ()}
        return refuse_blank_agent(request) or (json_response(answer) if answer else Response("not found", 404))

    def _bodies(self, request: Request) -> Response:
        day = request.path_params["day"]
        answer = {killmail.id: killmail.body for killmail in self._days.get(day, ()) if int(day[:4]) in RAW_YEARS}
        return refuse_blank_agent(request) or (json_response(answer) if answer else Response("not found", 404))

    @cached_property
    def _days(self) -> dict[str, list[GenuineKillmail]]:
        """ZKillboard knows every killmail of which it has a block, whichever service brings it here."""
        days: dict[str, list[GenuineKillmail]] = {}
        for killmail in self._world.killmails.values():
            if killmail.zkb is not None:
                days.setdefault(f"{killmail.day:%Y%m%d}", []).append(killmail)
        return days

    def _sequence(self, request: Request) -> Response:
        return refuse_blank_agent(request) or json_response({"sequence": self._feed.head})

    def _entry(self, request: Request) -> Response:
        entry = self._feed.entry(request.path_params["sequence"])
        refused = refuse_blank_agent(request)
        return refused or (json_response(entry) if entry else Response("not found", 404))

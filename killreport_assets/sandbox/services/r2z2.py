"""The sandbox's R2Z2: zKillboard's live feed."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.serving import Serving, json_response, refuse_blank_agent


class SandboxR2z2:
    """The feed's head, and its entries by number."""

    def __init__(self, feed: LiveFeed, serving: Serving) -> None:
        self._feed, self._serving = feed, serving

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            self._serving.route("r2z2", "/ephemeral/sequence.json", self._sequence),
            self._serving.route("r2z2", "/ephemeral/{sequence:int}.json", self._entry),
        ]

    def _sequence(self, request: Request) -> Response:
        return refuse_blank_agent(request) or json_response({"sequence": self._feed.head})

    def _entry(self, request: Request) -> Response:
        entry = self._feed.entry(request.path_params["sequence"])
        refused = refuse_blank_agent(request)
        return refused or (json_response(entry) if entry else Response("not found", 404))

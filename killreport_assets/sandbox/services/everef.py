"""The sandbox's EVE Ref: daily killmail archives. Its market history is in market.py."""

import bz2
import hashlib
import io
import json
import tarfile
from datetime import date
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Serving, json_response, part_of
from killreport_assets.sandbox.world import World


class SandboxEveRef:
    """Totals, and an archive for each day that has killmails."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._world, self._serving = world, serving
        self._archive = lru_cache(maxsize=400)(self._make_archive)

    def routes(self) -> list[Route]:
        """Its routes."""
        archive = "/killmails/{year:int}/killmails-{day}.tar.bz2"
        return [
            self._serving.route("everef", "/killmails/totals.json", self._totals),
            self._serving.route("everef", archive, self._day, methods=("GET", "HEAD")),
        ]

    def _totals(self, request: Request) -> Response:
        totals: dict[str, int] = {}
        for killmail in self._world.part("everef"):
            totals[f"{killmail.day}"] = totals.get(f"{killmail.day}", 0) + 1
        return json_response(totals)

    def _day(self, request: Request) -> Response:
        try:
            day = date.fromisoformat(request.path_params["day"])
        except ValueError:
            return Response("not found", 404)
        archive = self._archive(day)
        if archive is None or day.year != request.path_params["year"]:
            return Response("not found", 404)
        etag = f'"{hashlib.sha1(archive, usedforsecurity=False).hexdigest()}"'
        return part_of(request, archive, etag, "application/x-bzip2")

    def _make_archive(self, day: date) -> bytes | None:
        killmails = [killmail for killmail in self._world.part("everef") if killmail.day == day]
        if not killmails:
            return None
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for killmail in killmails:
                last_modified = killmail.body["killmail_time"]
                member = killmail.body | {"killmail_hash": killmail.hash, "http_last_modified": last_modified}
                content = json.dumps(member).encode()
                info = tarfile.TarInfo(f"killmails/{killmail.id}.json")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return bz2.compress(packed.getvalue())

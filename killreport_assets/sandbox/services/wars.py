"""The sandbox's wars: those that genuine killmails belong to, on ESI and in EVE Ref's archives of a year or a day."""

import bz2
import hashlib
import io
import json
import tarfile
from collections import defaultdict
from datetime import date, datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Handler, Serving, json_response, part_of
from killreport_assets.sandbox.world import GenuineKillmail, Record, World

FIRST_YEAR_OF_DAYS = 2021
LASTS = timedelta(days=7)


class SandboxWars:
    """Each war begins a day before its first killmail; the newest goes on."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._serving = serving
        killmails: defaultdict[int, list[GenuineKillmail]] = defaultdict(list)
        for killmail in world.killmails.values():
            if "war_id" in killmail.body:
                killmails[killmail.body["war_id"]].append(killmail)
        self._killmails = killmails
        self._wars = {war_id: _war(war_id, of_war) for war_id, of_war in sorted(killmails.items())}
        self._wars[max(self._wars)].pop("finished")

    def routes(self) -> list[Route]:
        """EVE Ref's routes."""
        route, files = self._serving.route, ("GET", "HEAD")
        return [
            route("everef", "/wars/history/index.json", self._years),
            route("everef", "/wars/history/{year:int}/index.json", self._days),
            route("everef", "/wars/history/wars-{name}.tar.bz2", self._archive, methods=files),
            route("everef", "/wars/history/{year:int}/wars-{name}.tar.bz2", self._archive, methods=files),
        ]

    def esi_routes(self) -> dict[str, Handler]:
        """ESI's routes, which have the token bucket of killmails."""
        return {
            "/wars": lambda _: json_response(sorted(self._wars, reverse=True)),
            "/wars/{id:int}": self._by_id,
            "/wars/{id:int}/killmails": self._killmails_of,
        }

    def _by_id(self, request: Request) -> Response:
        war = self._wars.get(request.path_params["id"])
        return json_response(war) if war else json_response({"error": "War not found"}, 404)

    def _killmails_of(self, request: Request) -> Response:
        killmails = self._killmails.get(request.path_params["id"], [])
        pairs = [{"killmail_id": killmail.id, "killmail_hash": killmail.hash} for killmail in killmails]
        return Response(json_response(pairs).body, headers={"X-Pages": "1"}, media_type="application/json")

    def _years(self, request: Request) -> Response:
        names = sorted({name for name in map(_archive_of, self._wars.values()) if "-" not in name})
        days = sorted({name[:4] for name in map(_archive_of, self._wars.values()) if "-" in name})
        base = f"{request.base_url}everef/wars/history"
        directories = [{"name": year, "index_url": f"{base}/{year}/index.json"} for year in days]
        return json_response({"files": [_file(name) for name in names], "directories": directories})

    def _days(self, request: Request) -> Response:
        year = str(request.path_params["year"])
        names = sorted({name for name in map(_archive_of, self._wars.values()) if name.startswith(f"{year}-")})
        return json_response({"files": [_file(name) for name in names], "directories": []})

    def _archive(self, request: Request) -> Response:
        wars = [war for war in self._wars.values() if _archive_of(war) == request.path_params["name"]]
        if not wars:
            return Response("not found", 404)
        members: list[Record] = []
        for war in wars:
            fields = {name: value for name, value in war.items() if name != "id"}
            members.append({"war_id": war["id"], **fields, "http_last_modified": war.get("finished", war["started"])})
            for killmail in self._killmails[war["id"]]:
                pair = {"killmail_id": killmail.id, "killmail_hash": killmail.hash}
                members.append({"war_id": war["id"], **pair})
        packed = _packed(members)
        etag = f'"{hashlib.sha1(packed, usedforsecurity=False).hexdigest()}"'
        return part_of(request, packed, etag, "application/x-bzip2")


def _file(name: str) -> Record:
    return {"name": f"wars-{name}.tar.bz2"}


def _archive_of(war: Record) -> str:
    """The archive of its declaration: a year's until 2020, then a day's."""
    day = date.fromisoformat(war["declared"][:10])
    return f"{day}" if day.year >= FIRST_YEAR_OF_DAYS else f"{day.year}"


def _war(war_id: int, killmails: list[GenuineKillmail]) -> Record:
    first = min(killmails, key=lambda killmail: str(killmail.body["killmail_time"])).body
    began = datetime.fromisoformat(first["killmail_time"])
    attacker = next(one for one in first["attackers"] if one["final_blow"])
    war: Record = {
        "id": war_id,
        "declared": f"{began - timedelta(days=2):%FT%TZ}",
        "started": f"{began - timedelta(days=1):%FT%TZ}",
        "finished": f"{began + LASTS:%FT%TZ}",
        "mutual": False,
        "open_for_allies": bool(war_id % 2),
        "aggressor": _side(attacker) | {"isk_destroyed": 1_000_000.25 * len(killmails), "ships_killed": len(killmails)},
        "defender": _side(first["victim"]) | {"isk_destroyed": 0.0, "ships_killed": 0},
    }
    allies = [_side(one) for one in first["attackers"] if one is not attacker and "corporation_id" in one][:2]
    return war | ({"allies": allies} if war_id % 2 and allies else {})


def _side(participant: Record) -> Record:
    kind = "alliance_id" if "alliance_id" in participant else "corporation_id"
    return {kind: participant[kind]}


def _packed(members: list[Record]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number, member in enumerate(members):
            content = json.dumps(member).encode()
            info = tarfile.TarInfo(f"wars/{member['war_id']}-{number}.json")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return bz2.compress(packed.getvalue())

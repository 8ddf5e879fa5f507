"""The sandbox's ESI: bodies that validate against the official specification, with its headers and limits."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.esi.routes import KILLMAIL, SOVEREIGNTY
from killreport_assets.models.ids import is_npc_character, is_npc_corporation
from killreport_assets.sandbox import generated as made
from killreport_assets.sandbox.limits import Bucket, ErrorLimit
from killreport_assets.sandbox.live_feed import LiveFeed
from killreport_assets.sandbox.services.esi_authorized_killmails import AuthorizedKillmails
from killreport_assets.sandbox.services.esi_bulk import Maker, affiliations, names
from killreport_assets.sandbox.services.market import SandboxMarket
from killreport_assets.sandbox.services.sovereignty import campaigns
from killreport_assets.sandbox.services.wars import SandboxWars
from killreport_assets.sandbox.serving import Handler, Serving, json_response
from killreport_assets.sandbox.world import Record, World

CACHE_SECONDS = 3_600
TYPES_PER_PAGE = 1_000
STARTED = datetime.now(UTC).replace(microsecond=0)
RACES = (1, 2, 4, 8)


class SandboxEsi:
    """ESI over the sandbox's world."""

    def __init__(
        self,
        world: World,
        feed: LiveFeed,
        serving: Serving,
        own: AuthorizedKillmails,
        market: SandboxMarket,
        wars: SandboxWars,
    ) -> None:
        self._market = market
        self._wars = wars
        self._own = own
        self._world = world
        self._feed = feed
        self._serving = serving
        self._errors = ErrorLimit()
        self._killmail_bucket, self._sovereignty_bucket = Bucket(KILLMAIL), Bucket(SOVEREIGNTY)
        self._moved: dict[int, tuple[int, int | None]] = {}
        self.entity = lru_cache(maxsize=50_000)(self._entity)

    def reset(self) -> None:
        """Forget what was spent."""
        self._errors = ErrorLimit()
        self._killmail_bucket, self._sovereignty_bucket = Bucket(KILLMAIL), Bucket(SOVEREIGNTY)
        self._own.reset()
        self._moved.clear()
        self.entity.cache_clear()

    def routes(self) -> list[Route]:
        """Its routes, without trailing slashes as in the specification."""
        simple: dict[str, Handler] = {
            "/status": lambda _: json_response(
                {"players": 20_000, "server_version": "sandbox", "start_time": f"{STARTED:%FT%TZ}", "vip": False}
            ),
            "/alliances": lambda _: json_response(sorted(self._world.alliances)),
            "/alliances/{id:int}/corporations": self._corporations_of,
            "/corporations/npccorps": lambda _: json_response(
                sorted(filter(is_npc_corporation, self._world.alliance_of))
            ),
            "/universe/types": self._type_page,
            "/markets/prices": self._market.prices,
        }
        for kind in ("alliances", "corporations", "characters"):
            simple[f"/{kind}/{{id:int}}"] = self._by_id(kind)
        for kind in ("types", "groups", "categories", "systems", "constellations", "regions"):
            simple[f"/universe/{kind}/{{id:int}}"] = self._by_id(kind)
        legacy = [self._serving.route("esi", path, handler, around=self._legacy) for path, handler in simple.items()]
        for path, bulk in (
            ("/universe/names", lambda request: names(request, self._makers)),
            ("/characters/affiliation", lambda request: affiliations(request, self._character)),
        ):
            legacy.insert(0, self._serving.route("esi", path, bulk, methods=("POST",), around=self._legacy))
        bucketed = {"/killmails/{id:int}/{hash}": self._killmail, **self._wars.esi_routes()}
        own = self._own.routes(self._bucketed, self._character)
        sovereignty = self._serving.route(
            "esi",
            "/sovereignty/campaigns",
            lambda _: json_response(campaigns(self._world)),
            around=self._of_sovereignty,
        )
        routes = [
            self._serving.route("esi", path, answer, around=self._of_address) for path, answer in bucketed.items()
        ]
        return [*own, *legacy, *routes, sovereignty]

    def _legacy(self, request: Request, handler: Handler) -> Response:
        """Routes without a bucket: the error limit."""
        response = self._blocked() or self._cached(request, handler)
        self._errors.note(response.status_code)
        response.headers["X-ESI-Error-Limit-Remain"] = str(self._errors.remain)
        response.headers["X-ESI-Error-Limit-Reset"] = str(self._errors.reset)
        return response

    def _of_address(self, request: Request, handler: Handler) -> Response:
        """A route of a rate-limit group whose bucket the address has."""
        return self._bucketed(request, handler, self._killmail_bucket)

    def _of_sovereignty(self, request: Request, handler: Handler) -> Response:
        return self._bucketed(request, handler, self._sovereignty_bucket)

    def _bucketed(self, request: Request, handler: Handler, bucket: Bucket) -> Response:
        """Routes of a rate-limit group: its tokens; the error limit's 420 holds here too."""
        if blocked := self._blocked():
            return blocked
        if bucket.remaining <= 0:
            self._serving.statistics.violations["tokens"] += 1
            return json_response({"error": "Too many requests"}, 429, {"Retry-After": str(bucket.retry_after)})
        response = self._cached(request, handler)
        bucket.spend(response.status_code)
        response.headers["X-Ratelimit-Group"] = bucket.rules.group
        response.headers["X-Ratelimit-Limit"] = f"{bucket.rules.max_tokens}/15m"
        response.headers["X-Ratelimit-Remaining"] = str(bucket.remaining)
        response.headers["X-Ratelimit-Used"] = str(bucket.used)
        return response

    def _blocked(self) -> Response | None:
        if self._errors.remain > 0:
            return None
        self._serving.statistics.violations["errors"] += 1
        headers = {"X-ESI-Error-Limit-Remain": "0", "X-ESI-Error-Limit-Reset": str(self._errors.reset)}
        return json_response({"error": "This software has exceeded the error limit for ESI."}, 420, headers)

    def _cached(self, request: Request, handler: Handler) -> Response:
        """Answer, or 304 when the caller has this body already."""
        if "x-compatibility-date" not in request.headers:
            self._serving.statistics.violations["compatibility date"] += 1
            return json_response({"error": "the sandbox wants X-Compatibility-Date"}, 400)
        if not re.match(r"^\w+/[\d.]+ \(.+\)", request.headers.get("user-agent", "")):
            self._serving.statistics.violations["user agent"] += 1
        response = handler(request)
        if response.status_code != 200 or request.method == "POST":
            return response
        etag = f'"{hashlib.sha1(response.body, usedforsecurity=False).hexdigest()}"'
        headers = {
            "ETag": etag,
            "Cache-Control": f"public, max-age={CACHE_SECONDS}",
            "Expires": format_datetime(datetime.now(UTC) + timedelta(seconds=CACHE_SECONDS), usegmt=True),
            "Last-Modified": format_datetime(STARTED, usegmt=True),
        }
        if "Cache-Control" in response.headers:  # the route has a cache time of its own
            headers = {"ETag": etag, "Cache-Control": response.headers["Cache-Control"]}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        self._serving.statistics.bodies[request.url.path] += 1
        response.headers.update(headers)
        return response

    def _by_id(self, kind: str) -> Handler:
        def answer(request: Request) -> Response:
            body = self.entity(kind, request.path_params["id"])
            if body is None:
                return json_response({"error": f"{kind} not found"}, 404)
            return Response(body, media_type="application/json")

        return answer

    def _entity(self, kind: str, id_: int) -> bytes | None:
        body = self._makers[kind](id_) if kind in self._makers else self._static(kind, id_)
        # A copy of its own size: orjson's is the start of a buffer many times as large, and thousands are kept.
        return None if body is None else bytes(memoryview(json_response(body).body))

    @property
    def _makers(self) -> dict[str, Maker]:
        return {
            "alliances": self._alliance,
            "corporations": self._corporation,
            "characters": self._character,
            "types": self._type,
        }

    def move(self, character_id: int, corporation_id: int, alliance_id: int | None) -> None:
        """Move a character to another corporation."""
        self._moved[character_id] = (corporation_id, alliance_id)
        self.entity.cache_clear()

    def _alliance(self, id_: int) -> Record | None:
        if id_ not in self._world.alliances and not made.is_generated_alliance(id_):
            return None
        return {
            "name": f"Sandbox Alliance {id_}",
            "ticker": f"A{id_ % 10_000:04}",
            "creator_id": 90_000_001,
            "creator_corporation_id": 98_000_001,
            "executor_corporation_id": 98_000_001,
            "date_founded": "2010-11-03T00:00:00Z",
        }

    def _corporation(self, id_: int) -> Record | None:
        is_npc = is_npc_corporation(id_)
        if id_ not in self._world.alliance_of and not made.is_generated_corporation(id_):
            return None
        alliance_id = made.alliance_of(id_) if made.is_generated_corporation(id_) else self._world.alliance_of[id_]
        player = {"ceo_id": 90_000_001, "creator_id": 90_000_001, "date_founded": "2010-11-03T00:00:00Z", "url": ""}
        return {
            "name": f"Sandbox {'NPC ' if is_npc else ''}Corporation {id_}",
            "ticker": f"C{id_ % 10_000:04}",
            "member_count": 1 + id_ % 500,
            "state": "active",
            "type": "npc_owned" if is_npc else "player_owned",
            "tax_rates": {"isk": float(id_ % 20), "loyalty_point": 0.0},
            "war_eligible": not is_npc,
            "friendly_fire": "illegal",
            "description": "Invented by the sandbox.",
            "shares": 1000,
            "home_station_id": 60_003_760,
            **({} if is_npc else player),
            **({"alliance_id": alliance_id} if alliance_id else {}),
        }

    def _character(self, id_: int) -> Record | None:
        if id_ in self._moved:
            corporation_id, alliance_id = self._moved[id_]
        elif made.is_generated_character(id_):
            corporation_id = made.corporation_of(id_)
            alliance_id = made.alliance_of(corporation_id)
        elif id_ in self._world.affiliations and not is_npc_character(id_):
            corporation_id, alliance_id = self._world.affiliations[id_]
        else:
            return None
        return {
            "name": f"Sandbox Pilot {id_}",
            "corporation_id": corporation_id,
            "birthday": "2008-01-01T00:00:00Z",
            "gender": "female" if id_ % 2 else "male",
            "race_id": RACES[id_ % 4],
            "bloodline_id": 1 + id_ % 15,
            "achievement_score": id_ % 1_000,
            "security_status": round(id_ % 150 / 10 - 10, 1),
            **({"alliance_id": alliance_id} if alliance_id else {}),
        }

    def _type(self, id_: int) -> Record | None:
        known = self._world.by_id("types").get(id_)
        if known is None:
            return None
        numbers = ("market_group_id", "volume", "packaged_volume", "mass", "capacity", "portion_size")
        dogma = {633: "meta_level", 1547: "rig_size", 1211: "heat_damage", 422: "tech_level"}
        return {
            "type_id": id_,
            "name": known["name"],
            "description": "",
            "group_id": known["group_id"],
            "published": known["published"],
            **{name: known[name] for name in numbers if known[name] is not None},
            "dogma_attributes": [
                {"attribute_id": attribute_id, "value": known[name]}
                for attribute_id, name in dogma.items()
                if known[name] is not None
            ],
        }

    def _static(self, kind: str, id_: int) -> Record | None:
        known = self._world.by_id(kind).get(id_)
        if known is None:
            return None
        origin = {"x": 0.0, "y": 0.0, "z": 0.0}
        children = {
            "groups": {"types": ("types", "group_id")},
            "categories": {"groups": ("groups", "category_id")},
            "constellations": {"systems": ("systems", "constellation_id")},
            "regions": {"constellations": ("constellations", "region_id")},
            "systems": {},
        }[kind]
        body = {name: value for name, value in known.items() if not (kind == "systems" and name == "region_id")}
        body |= {"position": origin} if kind in {"systems", "constellations"} else {}
        for name, (table, key) in children.items():
            body[name] = [child_id for child_id, child in self._world.by_id(table).items() if child[key] == id_]
        return body

    def _corporations_of(self, request: Request) -> Response:
        id_ = request.path_params["id"]
        return json_response(sorted(c for c, alliance in self._world.alliance_of.items() if alliance == id_))

    def _type_page(self, request: Request) -> Response:
        ids = sorted(self._world.by_id("types"))
        pages = -(-len(ids) // TYPES_PER_PAGE)
        page = int(request.query_params.get("page", "1"))
        if not 1 <= page <= pages:
            return json_response({"error": "Requested page does not exist!"}, 404)
        return json_response(ids[(page - 1) * TYPES_PER_PAGE : page * TYPES_PER_PAGE], 200, {"X-Pages": str(pages)})

    def _killmail(self, request: Request) -> Response:
        killmail_id, killmail_hash = request.path_params["id"], request.path_params["hash"]
        genuine = self._world.killmails.get(killmail_id)
        known = (genuine.body, genuine.hash) if genuine else self._feed.generated_by_id(killmail_id)
        if known is None or known[1] != killmail_hash:
            return json_response({"error": "Invalid killmail_id and/or killmail_hash"}, 422)
        return json_response(known[0])

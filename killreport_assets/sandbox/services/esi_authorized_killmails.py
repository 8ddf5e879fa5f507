"""The sandbox's authorised ESI routes: the killmail lists of signed-in characters, and of their corporations.

All genuine killmails that the subject is on, however old they are: ESI's 90 days would leave nothing.
"""

import time
from collections import defaultdict
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.esi.routes import CHARACTER_KILLMAILS, CHARACTER_SCOPE, CORPORATION_KILLMAILS, CORPORATION_SCOPE
from killreport_assets.http.token_bucket import TokenBucket
from killreport_assets.sandbox.limits import Bucket
from killreport_assets.sandbox.services.esi_bulk import Maker
from killreport_assets.sandbox.services.sso import SandboxSso, character_of
from killreport_assets.sandbox.serving import Handler, Serving, json_response
from killreport_assets.sandbox.world import Record, World, participants

Answer = Callable[[Request, Record], Response]
Bucketed = Callable[[Request, Handler, Bucket], Response]
"""What ESI does around every route of a rate-limit group."""
PAGE_SIZE = 1_000
CACHE_SECONDS = 300
SAID = {
    "role": "Character does not have required role(s)",
    "member": "Character is not in the corporation",
    "sso": "Character does not have required role(s)",
}


class AuthorizedKillmails:
    """Lists by what the access token says."""

    def __init__(self, world: World, serving: Serving, sso: SandboxSso) -> None:
        self._world, self._serving, self._sso = world, serving, sso
        self.reset()

    def reset(self) -> None:
        """Real page size and cache, every character a Director, no refusals, nothing spent."""
        self.page_size, self.cache_seconds = PAGE_SIZE, CACHE_SECONDS
        self.refused: dict[int, str] = {}
        """By character, what the corporation route says to it: a key of `SAID`."""
        self._buckets: dict[str, Bucket] = {}
        self._fresh_until: dict[tuple[object, ...], float] = defaultdict(float)

    def routes(self, bucketed: Bucketed, character: Maker) -> list[Route]:
        """Its routes; `character` makes ESI's body of one."""
        self._character = character
        return [
            self._route("/characters/{id:int}/killmails/recent", CHARACTER_KILLMAILS, self._of_character, bucketed),
            self._route(
                "/corporations/{id:int}/killmails/recent", CORPORATION_KILLMAILS, self._of_corporation, bucketed
            ),
        ]

    def _route(self, path: str, rules: TokenBucket, answer: Answer, bucketed: Bucketed) -> Route:
        def around(request: Request, handler: Handler) -> Response:
            claims = self._sso.bearer(request)
            if claims is None:
                return json_response({"error": "Unauthorized - Invalid token"}, 401)
            request.state.claims = claims
            token_owner = f"{rules.group}:{claims['azp']}:{character_of(claims)}"
            bucket = self._buckets.setdefault(token_owner, Bucket(rules))
            response = bucketed(request, handler, bucket)
            self._note(request, response, token_owner)
            return response

        def handle(request: Request) -> Response:
            return answer(request, request.state.claims)

        return self._serving.route("esi", path, handle, around=around)

    def _note(self, request: Request, response: Response, token_owner: str) -> None:
        """Asking before Expires is a violation."""
        asked = token_owner, request.url.path, request.query_params.get("page", "1")
        if response.status_code in {200, 304}:
            if time.monotonic() < self._fresh_until[asked]:
                self._serving.statistics.violations["asked before Expires"] += 1
            self._fresh_until[asked] = time.monotonic() + self.cache_seconds

    def _of_character(self, request: Request, claims: Record) -> Response:
        id_ = request.path_params["id"]
        if id_ != character_of(claims) or CHARACTER_SCOPE not in _scopes(claims):
            return json_response({"error": "Token is not valid for this character, or lacks the scope"}, 403)
        return self._page(request, "character_id", id_)

    def _of_corporation(self, request: Request, claims: Record) -> Response:
        id_, character_id = request.path_params["id"], character_of(claims)
        if CORPORATION_SCOPE not in _scopes(claims):
            return json_response({"error": "token lacks the scope"}, 403)
        refusal = self.refused.get(character_id)
        if refusal is None and (self._character(character_id) or {}).get("corporation_id") != id_:
            refusal = "member"
        if refusal is not None:
            hiccup = {"sso_status": 502} if refusal == "sso" else {}
            return json_response({"error": SAID[refusal]} | hiccup, 403)
        return self._page(request, "corporation_id", id_)

    def _page(self, request: Request, key: str, id_: int) -> Response:
        mine = sorted(
            (
                (killmail.id, killmail.hash)
                for killmail in self._world.killmails.values()
                if any(pilot.get(key) == id_ for pilot in participants(killmail.body))
            ),
            reverse=True,
        )
        pages = max(1, -(-len(mine) // self.page_size))
        page = int(request.query_params.get("page", "1"))
        if not 1 <= page <= pages:
            return json_response({"error": "Requested page does not exist!"}, 404)
        shown = mine[(page - 1) * self.page_size : page * self.page_size]
        body = [{"killmail_id": id_, "killmail_hash": hash_} for id_, hash_ in shown]
        headers = {"X-Pages": str(pages), "Cache-Control": f"private, max-age={self.cache_seconds}"}
        return json_response(body, 200, headers)


def _scopes(claims: Record) -> list[str]:
    scopes = claims.get("scp", [])
    return [scopes] if isinstance(scopes, str) else scopes

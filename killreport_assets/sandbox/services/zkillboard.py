"""The sandbox's zKillboard: characters' killmail lists."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Serving, json_response, refuse_blank_agent
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER, GenuineKillmail, Record, World

ZKILLBOARD_PAGE = 200


class SandboxZkillboard:
    """Lists by character and page."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._world, self._serving = world, serving

    def routes(self) -> list[Route]:
        """Its routes."""
        return [self._serving.route("zkillboard", "/api/characterID/{id:int}/page/{page:int}/", self._character_list)]

    def _character_list(self, request: Request) -> Response:
        if request.url.query:
            return Response("query strings are refused", 403)
        if refused := refuse_blank_agent(request):
            return refused
        character_id, page = request.path_params["id"], request.path_params["page"]
        if not 1 <= page <= 100:
            return json_response({"error": "page must be between 1 and 100"})  # with status 200, as zKillboard does
        part = {BODIES_CHARACTER: "zkillboard", IDS_CHARACTER: "zkillboard_ids"}
        listed = [
            killmail
            for killmail in self._world.part(part.get(character_id, "zkillboard"))  # type: ignore[arg-type]
            if character_id in killmail.character_ids
        ]
        listed.sort(key=lambda killmail: -killmail.id)
        chosen = listed[(page - 1) * ZKILLBOARD_PAGE : page * ZKILLBOARD_PAGE]
        return json_response([_element(killmail) for killmail in chosen], headers={"Cache-Control": "max-age=3600"})


def _element(killmail: GenuineKillmail) -> Record:
    """One element of a list: whole since 2026-06-27, only the id before."""
    zkb = {**(killmail.zkb or {}), "hash": killmail.hash}
    if killmail.part == "zkillboard_ids":
        return {"killmail_id": killmail.id, "zkb": zkb}
    return killmail.body | {"zkb": zkb}

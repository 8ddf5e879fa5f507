"""The sandbox's bulk routes: `POST /universe/names` and `POST /characters/affiliation`, all or nothing as ESI's are."""

import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from killreport_assets.sandbox.serving import json_response
from killreport_assets.sandbox.world import Record

IDS_AT_ONCE = 1_000
CATEGORIES = {
    "characters": "character",
    "corporations": "corporation",
    "alliances": "alliance",
    "types": "inventory_type",
}
Maker = Callable[[int], Record | None]


def names(request: Request, makers: dict[str, Maker]) -> Response:
    """`POST /universe/names`: a name and a category for each id."""
    ids = _ids(request)
    if isinstance(ids, Response):
        return ids
    named = [_name(id_, makers) for id_ in ids]
    if None in named:
        return json_response({"error": "Ensure all IDs are valid before resolving."}, 404)
    return json_response(named)


def affiliations(request: Request, character: Maker) -> Response:
    """`POST /characters/affiliation`: where each character belongs."""
    ids = _ids(request)
    if isinstance(ids, Response):
        return ids
    found: list[Record] = []
    for id_ in ids:
        body = character(id_)
        if body is None:
            return json_response({"error": "Invalid character ID"}, 404)
        kept = {name: body[name] for name in ("corporation_id", "alliance_id", "faction_id") if name in body}
        found.append({"character_id": id_} | kept)
    return json_response(found)


def _name(id_: int, makers: dict[str, Maker]) -> Record | None:
    for kind, category in CATEGORIES.items():
        if (body := makers[kind](id_)) is not None:
            return {"id": id_, "name": body["name"], "category": category}
    return None


def _ids(request: Request) -> list[int] | Response:
    """The ids of the request's body, or ESI's refusal."""
    try:
        ids = json.loads(request.state.body)
    except ValueError:
        return json_response({"error": "the body is not JSON"}, 400)
    is_list = isinstance(ids, list) and all(isinstance(id_, int) for id_ in ids)
    if not is_list or not 1 <= len(ids) <= IDS_AT_ONCE or len(set(ids)) != len(ids):
        return json_response({"error": "1 to 1000 unique ids are expected"}, 400)
    return list(ids)

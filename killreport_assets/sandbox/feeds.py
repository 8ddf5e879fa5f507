"""The sandbox's R2Z2, zKillboard lists, EVE Ref archives and static data export."""

import bz2
import hashlib
import io
import json
import tarfile
import zipfile
from datetime import date
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.feed import LiveFeed
from killreport_assets.sandbox.serving import Serving, json_response
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER, GenuineKillmail, Record, World

ZKILLBOARD_PAGE = 200
SDE_BUILD = 3_100_000
DOGMA = {"meta_level": 633, "rig_size": 1547, "heat_damage": 1211, "tech_level": 422}


class SandboxFeeds:
    """Everything but ESI, over the sandbox's world."""

    def __init__(self, world: World, feed: LiveFeed, serving: Serving) -> None:
        self._world = world
        self._feed = feed
        self._serving = serving
        self._archive = lru_cache(maxsize=400)(self._make_archive)
        self._export = lru_cache(maxsize=1)(self._make_export)

    def routes(self) -> list[Route]:
        """Their routes."""
        route = self._serving.route
        sde = "/tranquility"
        return [
            route("r2z2", "/ephemeral/sequence.json", self._sequence),
            route("r2z2", "/ephemeral/{sequence:int}.json", self._entry),
            route("zkillboard", "/api/characterID/{id:int}/page/{page:int}/", self._character_list),
            route("everef", "/killmails/totals.json", self._totals),
            route("everef", "/killmails/{year:int}/killmails-{day}.tar.bz2", self._day, methods=("GET", "HEAD")),
            route("sde", f"{sde}/latest.jsonl", self._latest),
            route("sde", f"{sde}/eve-online-static-data-{{build:int}}-jsonl.zip", self._download),
        ]

    def _sequence(self, request: Request) -> Response:
        return _unless_blank_agent(request) or json_response({"sequence": self._feed.head})

    def _entry(self, request: Request) -> Response:
        entry = self._feed.entry(request.path_params["sequence"])
        refused = _unless_blank_agent(request)
        return refused or (json_response(entry) if entry else Response("not found", 404))

    def _character_list(self, request: Request) -> Response:
        if request.url.query:
            return Response("query strings are refused", 403)
        if refused := _unless_blank_agent(request):
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
        return Response(archive, headers={"ETag": etag}, media_type="application/x-bzip2")

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

    def _latest(self, request: Request) -> Response:
        record = {"_key": "sde", "buildNumber": SDE_BUILD, "releaseDate": "2026-08-18T11:00:00Z"}
        return Response(json.dumps(record) + "\n", media_type="application/jsonl")

    def _download(self, request: Request) -> Response:
        if request.path_params["build"] != SDE_BUILD:
            return Response("not found", 404)
        return Response(self._export(), media_type="application/zip")

    def _make_export(self) -> bytes:
        static, newest = self._world.static, self._world.newest_types
        types = [row for row in static["types"] if row["type_id"] not in newest]
        tables: dict[str, list[Record]] = {
            "types": [_sde_type(row) for row in types],
            "typeDogma": [_sde_dogma(row) for row in types],
            "groups": [
                _sde(row, "group_id", categoryID="category_id", published="published") for row in static["groups"]
            ],
            "categories": [_sde(row, "category_id", published="published") for row in static["categories"]],
            "marketGroups": [
                _sde(row, "market_group_id", parentGroupID="parent_group_id") for row in static["market_groups"]
            ],
            "metaGroups": [_sde(row, "meta_group_id") for row in static["meta_groups"]],
            "mapRegions": [_sde(row, "region_id") for row in static["regions"]],
            "mapConstellations": [
                _sde(row, "constellation_id", regionID="region_id") for row in static["constellations"]
            ],
            "mapSolarSystems": [
                _sde(
                    row,
                    "system_id",
                    constellationID="constellation_id",
                    regionID="region_id",
                    securityStatus="security_status",
                )
                for row in static["systems"]
            ],
            "factions": [_sde(row, "faction_id") for row in static["factions"]],
        }
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as export:
            for name, rows in tables.items():
                export.writestr(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return packed.getvalue()


def _unless_blank_agent(request: Request) -> Response | None:
    return None if request.headers.get("user-agent") else Response("a User-Agent is wanted", 403)


def _element(killmail: GenuineKillmail) -> Record:
    """One element of a list: whole since 2026-06-27, only the id before."""
    zkb = {**(killmail.zkb or {}), "hash": killmail.hash}
    if killmail.part == "zkillboard_ids":
        return {"killmail_id": killmail.id, "zkb": zkb}
    return killmail.body | {"zkb": zkb}


def _sde(row: Record, key: str, **fields: str) -> Record:
    record: Record = {"_key": row[key], "name": {"en": row["name"]}}
    return record | {name: row[column] for name, column in fields.items() if row.get(column) is not None}


def _sde_type(row: Record) -> Record:
    return _sde(
        row,
        "type_id",
        groupID="group_id",
        published="published",
        marketGroupID="market_group_id",
        metaGroupID="meta_group_id",
        variationParentTypeID="variation_parent_type_id",
        volume="volume",
        mass="mass",
        capacity="capacity",
        portionSize="portion_size",
    )


def _sde_dogma(row: Record) -> Record:
    attributes: list[dict[str, Any]] = [
        {"attributeID": attribute_id, "value": row[column]}
        for column, attribute_id in DOGMA.items()
        if row[column] is not None
    ]
    return {"_key": row["type_id"], "dogmaAttributes": attributes}

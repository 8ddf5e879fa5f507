"""The sandbox's static data export: JSON lines in a zip."""

import io
import json
import math
import zipfile
from functools import lru_cache
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Serving
from killreport_assets.sandbox.world import Record, World

SDE_BUILD = 3_100_000
FIRST_STARGATE = 50_000_001
DOGMA = {"meta_level": 633, "rig_size": 1547, "heat_damage": 1211, "tech_level": 422}


class SandboxSde:
    """One build of the export."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._world, self._serving = world, serving
        self._export = lru_cache(maxsize=1)(self._make_export)

    def routes(self) -> list[Route]:
        """Its routes."""
        return [
            self._serving.route("sde", "/tranquility/latest.jsonl", self._latest),
            self._serving.route("sde", "/tranquility/eve-online-static-data-{build:int}-jsonl.zip", self._download),
        ]

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
                | {"position": _made_position(row["system_id"])}
                for row in static["systems"]
            ],
            "mapStargates": [
                _sde_stargate(number, row) for number, row in enumerate(static["stargates"], start=FIRST_STARGATE)
            ],
            "factions": [_sde(row, "faction_id") for row in static["factions"]],
            "blueprints": [sde_blueprint(row) for row in static["blueprints"]],
        }
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as export:
            for name, rows in tables.items():
                export.writestr(f"{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return packed.getvalue()


def _made_position(system_id: int) -> dict[str, float]:
    """A place on the map: genuine ones are not in the sandbox's data."""
    angle, distance = system_id * 2.399963, 1e16 * (1 + system_id % 17)
    return {"x": distance * math.cos(angle), "y": 0.0, "z": distance * math.sin(angle)}


def _sde_stargate(stargate_id: int, row: Record) -> Record:
    destination = {"solarSystemID": row["destination_system_id"]}
    return {"_key": stargate_id, "solarSystemID": row["system_id"], "destination": destination}


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


def sde_blueprint(row: Record) -> Record:
    """A blueprint as the export has it."""
    manufacturing = {
        "materials": [{"quantity": quantity, "typeID": type_id} for type_id, quantity in row["materials"]],
        "products": [{"quantity": row["product_quantity"], "typeID": row["product_type_id"]}],
    }
    return {"_key": row["blueprint_type_id"], "activities": {"manufacturing": manufacturing}}

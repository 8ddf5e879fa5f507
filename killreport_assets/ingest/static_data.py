"""Loading CCP's static data export into the static tables."""

import json
import logging
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from typing import IO, Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.database.migrate import writing
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import ServiceError, Throttled, Unavailable
from killreport_assets.ingest.loader import LoadReport
from killreport_assets.ingest.static_gaps import fill_static_gaps
from killreport_assets.models.dogma import DOGMA
from killreport_assets.models.ids import EntityKind
from killreport_assets.sources.sde import StaticData
from killreport_assets.store.battles import replace_stargates
from killreport_assets.store.entities import upsert
from killreport_assets.store.lineage import settle_known
from killreport_assets.store.market import replace_blueprint_materials
from killreport_assets.store.schema import tables
from killreport_assets.store.versions import read_versions, write_version

EXPORT_SOURCE = "sde"
Record = dict[str, Any]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StaticDataLoader:
    """Loads an export, including types, and requests from ESI what the export lacks."""

    static_data: StaticData
    esi: EsiClient
    run_id: str | None = None
    build: str | None = None
    """The build to load, even if a newer one is loaded; None: the newest, unless it is loaded already."""

    def load(self, engine: Engine) -> LoadReport:
        """Load the export; without one, what is missing comes from ESI, one by one."""
        with writing(engine) as connection:
            upsert(connection, tables.inventory_flags, inventory_flags())
        rows: dict[str, int] = {}
        facts: dict[str, int | str] = {}
        try:
            build = self.build or self.static_data.latest_build()
            facts["build"] = build
            rows = load_export(self.static_data, engine, build, again=self.build is not None)
        except ServiceError as error:
            if self.build is not None:
                return LoadReport(problems=[f"build {self.build}: {error}"])
            facts["export"] = f"unreachable: {error}"
            log.warning("no static data export (%s): what is missing comes from ESI, one by one", error)
        with writing(engine) as connection:
            settled = settle_known(connection, EntityKind.TYPE, self.run_id)
        report = LoadReport({"rows loaded": sum(rows.values()), "filled from ESI": 0, "pending types settled": settled})
        report.facts |= facts
        try:
            report.facts["filled from ESI"] = sum(fill_static_gaps(self.esi, engine).values())
        except Throttled as throttled:
            report.waiting = str(throttled)
        except ServiceError as error:
            report.problems.append(f"the gaps of the static data are not filled: {error}")
        return report


def inventory_flags() -> list[dict[str, object]]:
    """Return the rows of `raw.inventory_flags`, which no export has."""
    text = (resources.files("killreport_assets.ingest") / "data" / "inventory_flags.json").read_text()
    rows: list[dict[str, object]] = json.loads(text)
    return rows


def load_export(static_data: StaticData, engine: Engine, build: str, *, again: bool = False) -> dict[str, int]:
    """Update the static tables to a build; returns the rows written by table, empty when it is loaded already.

    Records that only another build has stay. With `again`, a loaded build is loaded again.

    Raises:
        Unavailable: the export cannot be read; nothing is changed.
    """
    with engine.connect() as connection:
        if not again and read_versions(connection, EXPORT_SOURCE).get("build") == build:
            return {}
    with static_data.download(build) as file, _open_zip(file) as export, writing(engine) as connection:
        dogma = _dogma(export)
        counts = {
            table.name: _load_table(connection, table, _records(export, name), row)
            for table, name, row in (
                (tables.categories, "categories", _category),
                (tables.groups, "groups", _group),
                (tables.market_groups, "marketGroups", _market_group),
                (tables.meta_groups, "metaGroups", _meta_group),
                (tables.regions, "mapRegions", _region),
                (tables.constellations, "mapConstellations", _constellation),
                (tables.systems, "mapSolarSystems", _system),
                (tables.factions, "factions", _faction),
                (tables.types, "types", lambda record: _type(record, dogma)),
            )
        }
        materials = blueprint_materials(_records(export, "blueprints"))
        counts[tables.blueprint_materials.name] = replace_blueprint_materials(connection, materials)
        gates = list(_rows(tables.stargates, _records(export, "mapStargates"), _stargate))
        counts[tables.stargates.name] = replace_stargates(connection, gates)
        write_version(connection, EXPORT_SOURCE, "build", build)
    return counts


def _open_zip(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except zipfile.BadZipFile as broken:
        raise Unavailable(f"the static data export is broken: {broken}") from None


def _records(export: zipfile.ZipFile, name: str) -> Iterator[Record]:
    try:
        with export.open(f"{name}.jsonl") as lines:
            yield from map(json.loads, lines)
    except (KeyError, ValueError, zipfile.BadZipFile) as broken:
        raise Unavailable(f"the static data export's {name}.jsonl: {broken}") from None


def _load_table(
    connection: sa.Connection, table: sa.Table, records: Iterator[Record], row: Callable[[Record], Record]
) -> int:
    return upsert(connection, table, list(_rows(table, records, row)))


def _rows(table: sa.Table, records: Iterable[Record], row: Callable[[Record], Record]) -> Iterator[Record]:
    for record in records:
        try:
            yield row(record)
        except (KeyError, TypeError, AttributeError) as broken:  # a malformed record does not stop the rest
            log.warning("static data: a record of %s is left out (%r): %.200s", table.name, broken, record)


def blueprint_materials(records: Iterable[Record]) -> list[Record]:
    """Return the rows of `raw.blueprint_materials`; as for zKillboard, a product's last blueprint counts."""
    by_product: dict[int, list[Record]] = {}
    for record in records:
        try:
            manufacturing = record["activities"].get("manufacturing") or {}
            for product in (manufacturing.get("products") or [])[:1]:
                rows = [_material(product, material) for material in manufacturing.get("materials") or []]
                if rows:
                    by_product[product["typeID"]] = rows
        except (KeyError, TypeError, AttributeError) as broken:
            log.warning("static data: a blueprint is left out (%r): %.200s", broken, record)
    return [row for rows in by_product.values() for row in rows]


def _material(product: Record, material: Record) -> Record:
    return {
        "product_type_id": product["typeID"],
        "material_type_id": material["typeID"],
        "quantity": material["quantity"],
        "product_quantity": product.get("quantity") or 1,
    }


def _english(record: Record) -> str | None:
    name = record.get("name")
    return name.get("en") if isinstance(name, dict) else name


def _category(record: Record) -> Record:
    return {"category_id": record["_key"], "name": _english(record), "published": record.get("published")}


def _group(record: Record) -> Record:
    return {
        "group_id": record["_key"],
        "name": _english(record),
        "category_id": record.get("categoryID"),
        "published": record.get("published"),
    }


def _market_group(record: Record) -> Record:
    return {
        "market_group_id": record["_key"],
        "name": _english(record),
        "parent_group_id": record.get("parentGroupID"),
    }


def _meta_group(record: Record) -> Record:
    return {"meta_group_id": record["_key"], "name": _english(record)}


def _region(record: Record) -> Record:
    return {"region_id": record["_key"], "name": _english(record)}


def _constellation(record: Record) -> Record:
    return {"constellation_id": record["_key"], "name": _english(record), "region_id": record.get("regionID")}


def _system(record: Record) -> Record:
    return {
        "system_id": record["_key"],
        "name": _english(record),
        "constellation_id": record.get("constellationID"),
        "region_id": record.get("regionID"),
        "security_status": record.get("securityStatus"),
        "position_x": (record.get("position") or {}).get("x"),
        "position_z": (record.get("position") or {}).get("z"),
    }


def _stargate(record: Record) -> Record:
    destination = record["destination"]["solarSystemID"]
    return {"system_id": record["solarSystemID"], "destination_system_id": destination}


def _faction(record: Record) -> Record:
    return {"faction_id": record["_key"], "name": _english(record)}


def _dogma(export: zipfile.ZipFile) -> dict[int, Record]:
    wanted: dict[int, Record] = {}
    for record in _records(export, "typeDogma"):
        values = {
            DOGMA[attribute["attributeID"]]: attribute["value"]
            for attribute in record.get("dogmaAttributes", [])
            if attribute["attributeID"] in DOGMA
        }
        if values:
            wanted[record["_key"]] = values
    return wanted


def _type(record: Record, dogma: dict[int, Record]) -> Record:
    attributes = dogma.get(record["_key"], {})
    return {
        "type_id": record["_key"],
        "name": _english(record),
        "group_id": record.get("groupID"),
        "published": record.get("published"),
        "market_group_id": record.get("marketGroupID"),
        "meta_group_id": record.get("metaGroupID"),
        "variation_parent_type_id": record.get("variationParentTypeID"),
        "volume": record.get("volume"),
        "packaged_volume": record.get("packagedVolume"),
        "mass": record.get("mass"),
        "capacity": record.get("capacity"),
        "portion_size": record.get("portionSize"),
        **{column: attributes.get(column) for column in DOGMA.values()},
        "source": "sde",
        "fetched_at": datetime.now(UTC),
        "etag": None,
        "gone_at": None,
    }

"""CCP's Static Data Export as JSON lines: types, groups, categories, markets, the map and factions.

Source: esi-docs, static-data. camelCase names, `_key` for the id, texts by language; lists of `_key` for maps.
"""

import json
import logging
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO, Any

import requests
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.esi.errors import Unavailable
from killreport_assets.http_session import HttpSession
from killreport_assets.settings import Settings
from killreport_assets.store import tables
from killreport_assets.store.entities import read_versions, upsert, write_version

SOURCE = "sde"
DOGMA = {633: "meta_level", 1547: "rig_size", 1211: "heat_damage", 422: "tech_level"}
DOWNLOAD_CHUNK = 1 << 20

Record = dict[str, Any]
log = logging.getLogger(__name__)


class StaticData:
    """Reads the newest export."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.sde_url}/tranquility"
        self._session = HttpSession(settings)

    def latest_build(self) -> str:
        """The newest export's build number.

        Raises:
            Unavailable: it cannot be told.
        """
        response = self._session.request("GET", f"{self._url}/latest.jsonl")
        if response.status_code != 200:
            raise Unavailable(f"{response.url}: {response.status_code}")
        for line in response.text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("_key") == "sde" and "buildNumber" in record:
                return str(record["buildNumber"])
        raise Unavailable(f"{response.url}: names no build")

    def download(self, build: str) -> IO[bytes]:
        """The export of a build as an open temporary file.

        Raises:
            Unavailable: it cannot be read.
        """
        url = f"{self._url}/eve-online-static-data-{build}-jsonl.zip"
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with self._session.request("GET", url, stream=True) as response:
            if response.status_code != 200:
                raise Unavailable(f"{url}: {response.status_code}")
            try:
                for chunk in response.iter_content(DOWNLOAD_CHUNK):
                    file.write(chunk)
            except requests.RequestException as broken:
                raise Unavailable(f"{url}: the download breaks off ({type(broken).__name__})") from None
        file.seek(0)
        return file

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def load(static_data: StaticData, engine: Engine) -> dict[str, int]:
    """Bring the static tables to the newest build; the rows written of each table, empty when there is nothing new.

    Raises:
        Unavailable: the export cannot be read; nothing has changed then.
    """
    build = static_data.latest_build()
    with engine.connect() as connection:
        if read_versions(connection, SOURCE).get("build") == build:
            return {}
    with static_data.download(build) as file, _open_zip(file) as export, engine.begin() as connection:
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
        write_version(connection, SOURCE, "build", build)
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
    rows: list[Record] = []
    for record in records:
        try:
            rows.append(row(record))
        except (KeyError, TypeError, AttributeError) as broken:  # one odd record costs only itself
            log.warning("static data: a record of %s is left out (%r): %.200s", table.name, broken, record)
    return upsert(connection, table, rows)


def _english(record: Record) -> str | None:
    name = record.get("name")
    return name.get("en") if isinstance(name, dict) else name


def _category(record: Record) -> Record:
    return {"category_id": record["_key"], "name": _english(record), "published": record.get("published")}


def _group(record: Record) -> Record:
    return {
        "group_id": record["_key"], "name": _english(record), "category_id": record.get("categoryID"),
        "published": record.get("published"),
    }  # fmt: skip


def _market_group(record: Record) -> Record:
    return {
        "market_group_id": record["_key"], "name": _english(record), "parent_group_id": record.get("parentGroupID"),
    }  # fmt: skip


def _meta_group(record: Record) -> Record:
    return {"meta_group_id": record["_key"], "name": _english(record)}


def _region(record: Record) -> Record:
    return {"region_id": record["_key"], "name": _english(record)}


def _constellation(record: Record) -> Record:
    return {"constellation_id": record["_key"], "name": _english(record), "region_id": record.get("regionID")}


def _system(record: Record) -> Record:
    return {
        "system_id": record["_key"], "name": _english(record), "constellation_id": record.get("constellationID"),
        "region_id": record.get("regionID"), "security_status": record.get("securityStatus"),
    }  # fmt: skip


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
        "type_id": record["_key"], "name": _english(record), "group_id": record.get("groupID"),
        "published": record.get("published"), "market_group_id": record.get("marketGroupID"),
        "meta_group_id": record.get("metaGroupID"), "variation_parent_type_id": record.get("variationParentTypeID"),
        "volume": record.get("volume"), "packaged_volume": record.get("packagedVolume"), "mass": record.get("mass"),
        "capacity": record.get("capacity"), "portion_size": record.get("portionSize"),
        **{column: attributes.get(column) for column in DOGMA.values()},
        "source": "sde", "fetched_at": datetime.now(UTC), "etag": None, "gone_at": None,
    }  # fmt: skip

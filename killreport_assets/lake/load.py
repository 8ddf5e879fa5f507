"""A lake's facts, dimensions and prices back into PostgreSQL: another platform's history at the speed of COPY.

When something was stored or became known is the platform's own, and not loaded; marts are built by dbt as always. The
mentioned entities that the lake's dimensions lack are requested as after any other load.
"""

import io
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.migrate import head, writing
from killreport_assets.lake.datasets import FACTS, raw_datasets
from killreport_assets.lake.manifest import LakeDataset, LakeFile, Manifest, existing_manifest, read_datasets
from killreport_assets.lake.rows import copy_csv, csv_of
from killreport_assets.lake.storage import LakeStorage
from killreport_assets.models.ids import EntityKind
from killreport_assets.store import lineage
from killreport_assets.store.changed_days import DAY, mark_days, mark_written
from killreport_assets.store.history import count_stored
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.places import PLACES, rows_of_this_transaction
from killreport_assets.store.stored_killmails import known_killmails

ITS_OWN = ("stored_at", "known_since")
"""Columns that say when this platform got a row."""
COLUMNS = {
    name: [column.name for column in table.columns if column.name not in ITS_OWN] for name, table in FACTS.items()
}
DATASET_OF = {table.fullname: name for name, table in FACTS.items()}


@dataclass(frozen=True)
class _Day:
    """The facts of a day by dataset, and as COPY reads them."""

    tables: dict[str, Any]
    csv: dict[str, memoryview]


class LakeLoader:
    """Loads a lake into a platform: what is there already stays as it is."""

    def __init__(
        self,
        engine: Engine,
        storage: LakeStorage,
        on_begin: Callable[[int], None] = lambda _days: None,
        on_day: Callable[[date, int], None] = lambda _day, _stored: None,
    ) -> None:
        self._engine, self._storage = engine, storage
        self._on_begin, self._on_day = on_begin, on_day

    def load(self, days: Sequence[date]) -> dict[str, int | str]:
        """Load the dimensions and prices, then these of the lake's days, in this order; returns counts.

        Raises:
            UserError: there is no lake, it is of another schema, or a file of it cannot be read.
        """
        manifest = existing_manifest(self._storage)
        _check(manifest)
        datasets = read_datasets(self._storage, manifest)
        facts: dict[str, int | str] = {"rows of dimensions and prices": self._load_the_rest(datasets)}
        parts = {name: {file.part: file for file in datasets[name].files} for name in FACTS if name in datasets}
        chosen = [day for day in days if f"{day}" in parts.get("killmails", {})]
        self._on_begin(len(chosen))
        read = stored = 0
        days_read = self._read_ahead([{n: files.get(f"{day}") for n, files in parts.items()} for day in chosen])
        with closing(days_read):
            for day, rows in zip(chosen, days_read, strict=False):
                new = self._load_day(day, rows)
                read, stored = read + 1, stored + new
                self._on_day(day, new)
                if is_stopping():
                    break
        return facts | {"days read": read, "stored": stored}

    def _read_ahead(self, days: Sequence[Mapping[str, LakeFile | None]]) -> Generator["_Day"]:
        """Read and encode the next day while one is copied."""
        with ThreadPoolExecutor(1, "lake") as thread:
            ahead = [thread.submit(self._day, files) for files in days[:1]]
            for number in range(len(days)):
                ahead += [thread.submit(self._day, files) for files in days[number + 1 : number + 2]]
                yield ahead.pop(0).result()

    def _day(self, files: Mapping[str, LakeFile | None]) -> "_Day":
        read = {name: self._read(file) for name, file in files.items() if file is not None}
        return _Day(read, {name: csv_of(table, COLUMNS[name]) for name, table in read.items()})

    def _load_the_rest(self, datasets: Mapping[str, LakeDataset]) -> int:
        loaded = 0
        for dataset in raw_datasets():
            if dataset.name in FACTS or dataset.name not in datasets:
                continue
            columns = [c.name for c in dataset.columns if c.name not in ITS_OWN]
            for file in datasets[dataset.name].files:
                table = self._read(file)
                with writing(self._engine) as connection:
                    names = ", ".join(f'"{name}"' for name in columns)
                    connection.exec_driver_sql(
                        f"create temp table loaded (like {dataset.relation} including defaults) on commit drop"
                    )
                    copy_csv(_cursor(connection), csv_of(table, columns), "pg_temp.loaded", columns)
                    inserted = connection.exec_driver_sql(
                        f"insert into {dataset.relation} ({names}) "
                        f"select {names} from pg_temp.loaded on conflict do nothing"
                    )
                    loaded += inserted.rowcount
        if loaded:  # what was stored before may be worth more, or have a class, by what came now
            with writing(self._engine) as connection:
                mark_days(connection, f"select {DAY} from raw.killmails")
        return loaded

    def _load_day(self, day: date, rows: "_Day") -> int:
        """Load one day in one transaction; returns how many killmails were new."""
        read, encoded = rows.tables, rows.csv
        killmails = read["killmails"]
        times = killmails.column("killmail_time")
        ensure_months(self._engine, [pc.min(times).as_py(), pc.max(times).as_py()])
        with writing(self._engine) as connection:
            known = known_killmails(connection, killmails.column("killmail_id").to_pylist())
            if known:
                among = pa.array(sorted(known), pa.int64())
                read = {
                    name: table.filter(pc.invert(pc.is_in(table.column("killmail_id"), among)))
                    for name, table in read.items()
                }
                encoded = {name: csv_of(table, COLUMNS[name]) for name, table in read.items()}
            new: int = read["killmails"].num_rows
            if new:
                cursor = _cursor(connection)
                for name, table in FACTS.items():
                    if name in encoded:
                        copy_csv(cursor, encoded[name], table.fullname, COLUMNS[name])
                rows_here = rows_of_this_transaction(pc.min(times).as_py(), pc.max(times).as_py())
                mark_written(connection, rows_here)
                lineage.record_mentions(connection, _mentioned(read), rows_here)
            count_stored(connection, [day])
        return new

    def _read(self, file: LakeFile) -> Any:
        content = self._storage.read(file.path)
        if content is None:
            raise UserError(f"the lake lacks {self._storage.uri(file.path)}: killreport lake verify")
        try:
            return pyarrow.parquet.read_table(io.BytesIO(content))
        except pa.ArrowException as broken:
            raise UserError(f"{self._storage.uri(file.path)} cannot be read: {broken}") from None


def _check(manifest: Manifest) -> None:
    if manifest.schema_revision != head():
        raise UserError(
            f"the lake has schema {manifest.schema_revision}, this KillReport {head()}: "
            "upgrade the older one, and export again"
        )


def _cursor(connection: Connection) -> Any:
    driver: Any = connection.connection.driver_connection
    return driver.cursor()


def _mentioned(read: Mapping[str, Any]) -> dict[EntityKind, set[int]]:
    return {
        kind: {
            id_
            for place in places
            if (rows := read.get(DATASET_OF[place.table.fullname])) is not None
            for id_ in pc.unique(rows.column(place.column)).to_pylist()
            if id_ is not None
        }
        for kind, places in PLACES.items()
    }

"""The lake's tables as Iceberg's, whose catalogue is the platform's PostgreSQL: atomic snapshots, and time travel.

The files are those of the manifest; nothing is written twice. Source: the Iceberg specification, and PyIceberg's
`add_files`, which takes Parquet files as they are.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.table import Table
from pyiceberg.table.name_mapping import create_mapping_from_schema
from sqlalchemy.engine import Engine

from killreport_assets.lake.manifest import LakeDataset, read_datasets, read_manifest
from killreport_assets.lake.rows import arrow_schema
from killreport_assets.lake.storage import LakeStorage

SCHEMA = "iceberg"
"""PostgreSQL's schema of the catalogue's two tables."""
NAME_MAPPING = "schema.name-mapping.default"


class LakeCatalogue:
    """Keeps Iceberg's tables equal to the manifest."""

    def __init__(self, engine: Engine, storage: LakeStorage) -> None:
        self._storage = storage
        with engine.begin() as connection:
            connection.execute(sa.text(f"create schema if not exists {SCHEMA}"))
        url = engine.url.update_query_dict({"options": f"-c search_path={SCHEMA} -c timezone=UTC"})
        self._catalog = SqlCatalog(
            "killreport",
            uri=url.render_as_string(hide_password=False),
            warehouse=storage.uri("iceberg") if not storage.is_local else f"file://{storage.uri('iceberg')}",
        )

    def update(self) -> int:
        """Bring every table to the manifest's files, each in one snapshot; returns how many tables changed."""
        manifest = read_manifest(self._storage)
        datasets = read_datasets(self._storage, manifest) if manifest is not None else {}
        for schema in sorted({dataset.schema_name for dataset in datasets.values()}):
            self._catalog.create_namespace_if_not_exists(schema)
        return sum(self._update(dataset) for dataset in datasets.values() if dataset.files)

    def expire(self, older_than: timedelta) -> None:
        """Forget snapshots that are older, but for the newest of each table."""
        before = datetime.now(UTC) - older_than
        for table in self._tables():
            table.maintenance.expire_snapshots().older_than(before.replace(tzinfo=None)).commit()

    def files_of_snapshots(self) -> set[str]:
        """The files that any snapshot still needs, as addresses."""
        return {
            task.file.file_path
            for table in self._tables()
            for snapshot in table.snapshots()
            for task in table.scan(snapshot_id=snapshot.snapshot_id).plan_files()
        }

    def table(self, name: str) -> Table:
        """One of Iceberg's tables, as `raw.killmails`."""
        return self._catalog.load_table(name)

    def close(self) -> None:
        """Close the connections."""
        self._catalog.engine.dispose()

    def _tables(self) -> Iterator[Table]:
        for namespace in self._catalog.list_namespaces():
            yield from map(self._catalog.load_table, self._catalog.list_tables(namespace))

    def _update(self, dataset: LakeDataset) -> bool:
        table = self._table(dataset)
        wanted = {self._storage.uri(file.path) for file in dataset.files if file.rows}
        present = {task.file.file_path: task.file for task in table.scan().plan_files()}
        new, gone = sorted(wanted - present.keys()), sorted(present.keys() - wanted)
        if not new and not gone:
            return False
        with table.transaction() as transaction, transaction.update_snapshot().overwrite() as overwrite:
            for data_file in parquet_files_to_data_files(table.io, transaction.table_metadata, iter(new)):
                overwrite.append_data_file(data_file)
            for path in gone:
                overwrite.delete_data_file(present[path])
        return True

    def _table(self, dataset: LakeDataset) -> Table:
        name = f"{dataset.schema_name}.{dataset.name}"
        schema = arrow_schema(dataset.columns, dataset.description, {})
        try:
            table = self._catalog.load_table(name)
        except NoSuchTableError:
            table = self._catalog.create_table(name, schema, properties={"comment": dataset.description})
        else:
            with table.update_schema() as change:
                change.union_by_name(schema)
        if NAME_MAPPING not in table.properties or set(_columns(table)) - set(_mapped(table)):
            mapping = create_mapping_from_schema(table.schema()).model_dump_json()
            with table.transaction() as transaction:
                transaction.set_properties({NAME_MAPPING: mapping})
        return table


def _columns(table: Table) -> list[str]:
    return [field.name for field in table.schema().fields]


def _mapped(table: Table) -> list[str]:
    mapping: Any = table.name_mapping()
    return [name for field in mapping.root for name in field.names] if mapping is not None else []

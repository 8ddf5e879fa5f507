"""SQL over the lake's files with DuckDB: no server. It sees the files of one manifest, and nothing else."""

from typing import Any

import duckdb

from killreport_assets.base.errors import UserError
from killreport_assets.lake.manifest import LakeDataset, existing_manifest, read_datasets
from killreport_assets.lake.rows import arrow_schema
from killreport_assets.lake.storage import LakeStorage


def run_query(storage: LakeStorage, statement: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one statement over the lake; returns the names of its columns and its rows.

    Facts and dimensions are `killmails`, `attackers`, `types`, …; marts are in the schema `marts`.

    Raises:
        UserError: there is no lake, or the statement is wrong; the text says why.
    """
    manifest = existing_manifest(storage)
    with duckdb.connect() as connection:
        if not storage.is_local:
            connection.register_filesystem(storage.filesystem)
        connection.execute("set timezone = 'UTC'")
        connection.execute("create schema marts")
        for dataset in read_datasets(storage, manifest).values():
            _create_view(connection, storage, dataset)
        _lock(connection, storage)
        try:
            found = connection.execute(statement)
            names = [column[0] for column in found.description or []]
            return names, found.fetchall()
        except duckdb.Error as refused:
            raise UserError(f"DuckDB: {str(refused).strip()}") from None


def _create_view(connection: "duckdb.DuckDBPyConnection", storage: LakeStorage, dataset: LakeDataset) -> None:
    schema = "marts." if dataset.schema_name == "marts" else ""
    view = f'{schema}"{dataset.name}"'
    if not dataset.files:  # a table that is empty
        connection.register("no_rows", arrow_schema(dataset.columns, dataset.description, {}).empty_table())
        connection.execute(f"create table {view} as select * from no_rows")
        connection.unregister("no_rows")
        return
    files = ", ".join(_quoted(storage.uri(file.path)) for file in dataset.files)
    # Columns that a later release adds are missing in older files.
    connection.execute(f"create view {view} as select * from read_parquet([{files}], union_by_name = true)")


def _lock(connection: "duckdb.DuckDBPyConnection", storage: LakeStorage) -> None:
    """Let a statement read the lake, and no other file."""
    if storage.is_local:
        connection.execute(f"set allowed_directories = [{_quoted(storage.root)}]")
        connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"

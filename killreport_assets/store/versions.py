"""Which version of each part of a source was read last: `ops.source_versions`."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.store.schema import tables


def read_versions(connection: Connection, source: str) -> dict[str, str]:
    """The version of each part of a source that was read last."""
    table = tables.source_versions
    query = sa.select(table.c.part, table.c.version).where(table.c.source == source)
    return {row.part: row.version for row in connection.execute(query)}


def write_version(connection: Connection, source: str, part: str, version: str) -> None:
    """Note that this version of the part has been read."""
    statement = insert(tables.source_versions).values(source=source, part=part, version=version)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["source", "part"], set_={"version": version, "read_at": sa.func.now()}
        )
    )

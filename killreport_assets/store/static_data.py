"""Gaps in the static tables: references without a row, and regions that follow from constellations."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.store.changed_days import mark_static
from killreport_assets.store.schema import tables


def unresolved_references(connection: Connection, referring: sa.Column[Any], key: sa.Column[Any]) -> list[int]:
    """The ids in a column that the key of a static table lacks, ascending."""
    query = sa.select(referring).distinct().where(referring.is_not(None), ~sa.exists().where(key == referring))
    return sorted(connection.execute(query).scalars())


def complete_regions(connection: Connection) -> None:
    """Set the region of systems from ESI to that of their constellation, and mark changed days."""
    completed = connection.execute(
        sa.text("""
        update raw.systems s set region_id = c.region_id from raw.constellations c
        where s.region_id is null and c.region_id is not null and c.constellation_id = s.constellation_id
        returning s.system_id
        """)
    )
    mark_static(connection, tables.systems, list(completed.scalars()))

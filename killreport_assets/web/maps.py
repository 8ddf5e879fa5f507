"""Maps of regions as SVG: solar systems by their coordinates, coloured by the kills of the last day and week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web.charts import level

SIZE = 1_000.0
MARGIN = 40.0
WEEK = timedelta(days=6)


@dataclass(frozen=True)
class Dot:
    """A solar system: its place on the map, its kills, and their level (charts.level)."""

    system_id: int
    name: str
    x: float
    y: float
    kills_of_the_day: int
    kills_of_the_week: int
    level: int


@dataclass(frozen=True)
class Map:
    """The systems of a region, and the day until which kills are counted; systems whose place is unknown are named."""

    dots: list[Dot]
    unplaced: list[RowMapping]
    day: date


def region_map(connection: Connection, region_id: int, day: date) -> Map:
    """The map of a region with the kills of a day and of the week that ends with it."""
    query = sa.text("""
        select systems.system_id, systems.name, systems.position_x, systems.position_z,
               cast(coalesce(sum(daily.kills) filter (where daily.killmail_date = :day), 0) as bigint)
                   as kills_of_the_day,
               cast(coalesce(sum(daily.kills), 0) as bigint) as kills_of_the_week
        from raw.systems
        left join marts.mart_system_daily as daily
            on daily.system_id = systems.system_id and daily.killmail_date between :first and :day
        where systems.region_id = :region_id
        group by systems.system_id, systems.name, systems.position_x, systems.position_z order by systems.system_id
    """)
    asked = {"region_id": region_id, "day": day, "first": day - WEEK}
    rows = list(connection.execute(query, asked).mappings())
    placed = [row for row in rows if row["position_x"] is not None and row["position_z"] is not None]
    return Map(_dots(placed), [row for row in rows if row not in placed], day)


def _dots(rows: Sequence[RowMapping]) -> list[Dot]:
    """Scaled to a square, north (EVE's positive z) up, one scale for both axes."""
    if not rows:
        return []
    xs, zs = [row["position_x"] for row in rows], [row["position_z"] for row in rows]
    span = max(max(xs) - min(xs), max(zs) - min(zs)) or 1.0
    scale = (SIZE - 2 * MARGIN) / span
    most = max(row["kills_of_the_week"] for row in rows)
    return [
        Dot(
            row["system_id"],
            row["name"] or str(row["system_id"]),
            MARGIN + (row["position_x"] - min(xs)) * scale,
            MARGIN + (max(zs) - row["position_z"]) * scale,
            row["kills_of_the_day"],
            row["kills_of_the_week"],
            level(row["kills_of_the_week"], most),
        )
        for row in rows
    ]

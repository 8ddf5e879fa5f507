"""Writing prices and what types are built from, and marking the days of killmails whose value they change.

dbt computes values from the prices (dbt_transforms/models/intermediate/int_day_prices.sql). The window of 34 is
zKillboard's: a day's price depends on the latest 34 daily averages at or before it. What a type is built from values it
too, a day later.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.database.migrate import writing
from killreport_assets.models.ids import THE_FORGE
from killreport_assets.store.changed_days import DAY, mark_days
from killreport_assets.store.rows import write_rows
from killreport_assets.store.schema import statistics as statistics_tables
from killreport_assets.store.schema.columns import Row
from killreport_assets.store.schema.dimensions import blueprint_materials

WINDOW = 34
DEEPEST = 8
"""Materials of materials are built down to this depth, each from prices of a day before: int_day_prices."""
CUSTOMS_OFFICE, CUSTOMS_OFFICE_PARTS = 2233, (3962, 2867, 2871, 2872, 2876)
_USED_WITH_PRODUCTS = f"""
    recipes as (
        select product_type_id, material_type_id from raw.blueprint_materials
        union all values {", ".join(f"({CUSTOMS_OFFICE}, {part})" for part in CUSTOMS_OFFICE_PARTS)}
    ), reached (type_id, until, depth) as (
        select type_id, until, 0 from changed
        union
        select product_type_id, until + 1, depth + 1
        from reached join recipes on material_type_id = type_id
        where depth < {DEEPEST}
    ), used as materialized (
        select type_id, max(until) as until from reached group by type_id
    )
"""
"""CTEs that follow `changed (type_id, until)` in a recursive query: it, and all that is built from it."""


def write_market_day(engine: Engine, day: date, rows: Sequence[Row]) -> int:
    """Store a day's market history and mark changed days; returns how many averages of The Forge have changed.

    Days are marked twice: a killmail that is committed while prices are being stored may be built without them, and
    that build uses up the killmail's own mark.
    """
    with writing(engine) as connection:
        changed = write_market_day_in(connection, day, rows)
    with writing(engine) as connection:
        mark_history(connection, day, changed)
    return len(changed)


def write_market_day_in(connection: Connection, day: date, rows: Sequence[Row]) -> list[int]:
    """Store the day in the caller's transaction; returns the types of The Forge whose average has changed.

    Stored rows that are not in `rows` stay: EVE Ref rewrites files with later data, it never empties them.
    """
    table = statistics_tables.market_history
    query = sa.select(table.c.type_id, table.c.average).where(table.c.date == day, table.c.region_id == THE_FORGE)
    known = {row.type_id: row.average for row in connection.execute(query)}
    given = {(row["region_id"], row["type_id"]): row for row in rows}
    changed = sorted(
        type_id
        for (region_id, type_id), row in given.items()
        if region_id == THE_FORGE and known.get(type_id) != row["average"]
    )
    write_rows(connection, table, list(given.values()))
    mark_history(connection, day, changed)
    return changed


def mark_history(connection: Connection, day: date, type_ids: Sequence[int]) -> None:
    """Mark the days whose killmails mention one of the types, or what is built from it.

    They end when 34 later averages have replaced this day's. Of a type that is seldom traded they do not end: one more
    average lengthens its look-back for good.
    """
    if not type_ids:
        return
    mark_days(
        connection,
        f"""
        with recursive replaced as (
            select type_id, (
                select h.date from raw.market_history h
                where h.region_id = {THE_FORGE} and h.type_id = changed.type_id and h.date > cast(:day as date)
                  and h.average > 0
                order by h.date offset {WINDOW - 1} limit 1
            ) as replaced_on
            from unnest(cast(:types as bigint[])) as changed (type_id)
        ), changed as (
            select type_id, case when replaced_on - cast(:day as date) <= {2 * WINDOW} then replaced_on
                                 else date 'infinity' end as until
            from replaced
        ), {_USED_WITH_PRODUCTS}
        {_days_of_mentions("used.until")}
        """,
        {"day": day, "types": list(type_ids)},
    )


def replace_blueprint_materials(connection: Connection, rows: Sequence[Row]) -> int:
    """Store what types are built from, in place of all that was stored, and mark changed days; returns the rows."""
    table = blueprint_materials
    known = {tuple(row) for row in connection.execute(sa.select(table))}
    given = {tuple(row[column.name] for column in table.columns) for row in rows}
    connection.execute(sa.delete(table))
    write_rows(connection, table, rows)
    changed = sorted({row[0] for row in known ^ given})
    if changed:
        mark_days(
            connection,
            f"""
            with recursive changed as (
                select type_id, date 'infinity' as until from unnest(cast(:types as bigint[])) as types (type_id)
            ), {_USED_WITH_PRODUCTS}
            {_days_of_mentions("used.until")}
            """,
            {"day": date.min, "types": changed},
        )
    return len(rows)


def write_market_prices(engine: Engine, observed_on: date, rows: Sequence[Row]) -> int:
    """Store ESI's prices as observed on a day and mark changed days, twice, like `write_market_day`.

    Returns how many differ from the prices stored for that day.
    """
    with writing(engine) as connection:
        changed = write_market_prices_in(connection, observed_on, rows)
    with writing(engine) as connection:
        mark_prices(connection, changed)
    return sum(map(len, changed.values()))


def write_market_prices_in(connection: Connection, observed_on: date, rows: Sequence[Row]) -> dict[date, list[int]]:
    """Store the prices in the caller's transaction; returns the changed types by the first day that they affect.

    A type's first price also applies to the killmails before it.
    """
    table = statistics_tables.market_prices
    query = sa.select(table.c.type_id, table.c.average_price, table.c.adjusted_price)
    known = {row[0]: tuple(row[1:]) for row in connection.execute(query.where(table.c.observed_on == observed_on))}
    earlier = sa.select(table.c.type_id).where(table.c.observed_on < observed_on, table.c.average_price > 0)
    ever = set(connection.execute(earlier.distinct()).scalars())
    given = {row["type_id"]: row | {"observed_on": observed_on} for row in rows}
    changed: dict[date, list[int]] = {observed_on: [], date.min: []}
    for id_, row in sorted(given.items()):
        if known.get(id_) != (row["average_price"], row["adjusted_price"]):
            changed[observed_on if id_ in ever else date.min].append(id_)
    write_rows(connection, table, list(given.values()))
    mark_prices(connection, changed)
    return changed


def mark_prices(connection: Connection, changed: Mapping[date, Sequence[int]]) -> None:
    """Mark the days, from the given ones on, whose killmails mention one of the types."""
    for day, type_ids in changed.items():
        if type_ids:
            mark_days(
                connection,
                "with used as materialized ("
                "select type_id, date 'infinity' as until from unnest(cast(:types as bigint[])) as changed (type_id)"
                f") {_days_of_mentions('used.until')}",
                {"day": day, "types": list(type_ids)},
            )


def _days_of_mentions(until: str) -> str:
    """The query for days of killmails with a type of `used` and a price day from :day up to `until`.

    The price day is the day of 3,601 seconds before the kill: see int_day_prices.
    """
    price_day = "cast((killmail_time - interval '3601 seconds') at time zone 'UTC' as date)"
    return " union ".join(
        f"select {DAY} from {mentions} join used on used.type_id = {column} "
        "where killmail_time >= cast(:day as timestamp) at time zone 'UTC' "
        f"and {price_day} >= cast(:day as date) and {price_day} < {until}"
        for mentions, column in (("raw.killmails", "victim_ship_type_id"), ("raw.killmail_items", "item_type_id"))
    )

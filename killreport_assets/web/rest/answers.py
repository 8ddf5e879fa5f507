"""Killmails and statistics as zKillboard's API answers them, from the marts' numbers of the same definitions."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.models.ids import THE_FORGE
from killreport_assets.web import entities, killmails, statistics
from killreport_assets.web.bodies import bodies_of
from killreport_assets.web.entities import KINDS, Kind
from killreport_assets.web.rest.paths import LABELS, Listing

Answer = dict[str, Any]
BEST_BY_ISK = 6
MONTH_NUMBERS = {
    "shipsDestroyed": "pvp_kills",
    "shipsLost": "pvp_losses",
    "iskDestroyed": "pvp_isk_destroyed",
    "iskLost": "pvp_isk_lost",
    "pointsDestroyed": "pvp_points_destroyed",
    "pointsLost": "pvp_points_lost",
}
"""zKillboard counts only what it labels pvp in its statistics."""


def killmails_of(connection: Connection, listing: Listing) -> list[Answer]:
    """A page of killmails: ESI's body with zKillboard's block `zkb` in it."""
    rows = killmails.find(connection, listing.filters, listing.limit, listing.offset)
    ids = [row["killmail_id"] for row in rows]
    bodies, blocks = bodies_of(connection, ids), blocks_of(connection, ids)
    return [bodies[id_] | {"zkb": blocks[id_]} for id_ in ids if id_ in bodies]


def blocks_of(connection: Connection, killmail_ids: Sequence[int]) -> dict[int, Answer]:
    """The blocks `zkb` of killmails that are in the statistics; ISK by the price method zkb_trimmed."""
    if not statistics.is_built(connection):
        return {}
    labelled = ", ".join(sorted({column for column, _ in LABELS.values()}))
    query = sa.text(f"""
        select killmails.killmail_id, killmails.killmail_hash, killmails.points, killmails.attacker_count, {labelled},
               valued.fitted_value, valued.dropped_value, valued.destroyed_value, valued.total_value,
               valued.droppable_value, zkb.location_id
        from marts.fct_killmails as killmails
        join marts.fct_killmail_values as valued using (killmail_id)
        left join raw.zkillboard_values as zkb on zkb.killmail_id = killmails.killmail_id
        where killmails.killmail_id = any(:ids)
    """)
    return {
        row["killmail_id"]: _block(row) for row in connection.execute(query, {"ids": list(killmail_ids)}).mappings()
    }


def stats_of(connection: Connection, kind: Kind, parameter: str, entity_id: int) -> Answer | None:
    """An entity's statistics; None when no killmail has it."""
    totals = statistics.totals(connection, kind, entity_id)
    if totals is None:
        return None
    row = entities.dimension_rows(connection, kind, [entity_id]).get(entity_id)
    answer: Answer = {
        "id": entity_id,
        "type": parameter,
        "info": {"id": entity_id, "name": entities.name_of(kind, row, entity_id), "type": parameter},
        "soloKills": _whole(totals["solo_kills_zkb"]),
        "soloLosses": _whole(totals["solo_losses_zkb"]),
        "dangerRatio": totals["danger_ratio_zkb"],
        "gangRatio": totals["gang_ratio_zkb"],
        "soloRatio": totals["solo_ratio_zkb"],
        "avgGangSize": totals["average_gang_size_zkb"],
        **{name: _whole(totals[column]) for name, column in MONTH_NUMBERS.items()},
    }
    if not statistics.has_monthly_marts(connection):
        return answer | {"months": {}, "activity": {}, "topLists": [], "topIskKillIDs": []}
    monthly = statistics.by_month(connection, kind, entity_id)
    answer["months"] = {
        f"{month['month']:%Y%m}": {
            "year": month["month"].year,
            "month": month["month"].month,
            **{name: _whole(month[column]) for name, column in MONTH_NUMBERS.items()},
        }
        for month in monthly
    }
    activity: dict[str, dict[str, int]] = {}
    for (weekday, hour), count in statistics.hours(connection, kind, entity_id).items():
        activity.setdefault(str(weekday % 7), {})[str(hour)] = count  # zKillboard's weeks begin on Sunday
    best = killmails.find(connection, killmails.of_entity(kind, entity_id, killmails.Side.kills), killmails.MAX_PAGE)
    by_value = sorted(best, key=lambda killmail: killmail["total_value"], reverse=True)[:BEST_BY_ISK]
    answer |= {
        "activity": activity,
        "topLists": _top_lists(connection, kind, entity_id),
        "topIskKillIDs": [killmail["killmail_id"] for killmail in by_value],
    }
    return answer


def history_of(connection: Connection, day: date) -> dict[str, str]:
    """The killmails of a UTC day: id to hash, as zKillboard's history/{yyyymmdd}.json."""
    query = sa.text("""
        select killmail_id, killmail_hash from raw.killmails
        where killmail_time >= :first and killmail_time < :after and killmail_hash is not null order by killmail_id
    """)
    rows = connection.execute(query, {"first": day, "after": day + timedelta(days=1)})
    return {str(row.killmail_id): row.killmail_hash for row in rows}


def prices_of(connection: Connection, type_id: int) -> Answer:
    """A type's average prices in The Forge by day, and the newest as currentPrice."""
    query = sa.text("""
        select date, average from raw.market_history
        where region_id = :region and type_id = :type_id and average is not null order by date
    """)
    rows = connection.execute(query, {"region": THE_FORGE, "type_id": type_id}).all()
    prices: Answer = {"typeID": type_id, "currentPrice": float(rows[-1].average) if rows else None}
    return prices | {row.date.isoformat(): float(row.average) for row in rows}


def completions_of(connection: Connection, words: str) -> list[Answer]:
    """What a search box offers."""
    found = entities.search(connection, words)
    return [{"id": one.entity_id, "name": one.name, "type": one.kind.path} for one in found]


def _block(row: RowMapping) -> Answer:
    block = {
        "locationID": row["location_id"],
        "hash": row["killmail_hash"],
        "fittedValue": _float(row["fitted_value"]),
        "droppedValue": _float(row["dropped_value"]),
        "destroyedValue": _float(row["destroyed_value"]),
        "totalValue": _float(row["total_value"]),
        "totalDroppableValue": _float(row["droppable_value"]),
        "points": row["points"],
        "npc": row["is_npc_zkb"],
        "solo": row["is_solo_zkb"],
        "awox": row["is_awox"],
        "labels": [label for label, (column, value) in LABELS.items() if row[column] == value],
        "attackerCount": row["attacker_count"],
    }
    return {name: value for name, value in block.items() if value is not None}


def _top_lists(connection: Connection, kind: Kind, entity_id: int) -> list[Answer]:
    lists: list[Answer] = []
    if kind.is_player:
        ships = statistics.ships_used(connection, kind, entity_id)
        systems = statistics.places(connection, kind, entity_id)
        for listed, rows in ((KINDS["ship_type"], ships), (KINDS["system"], systems)):
            values = [{"id": row["id"], "name": row["name"], "kills": _whole(row["kills"])} for row in rows]
            lists.append({"type": listed.path, "title": f"Top {listed.title.lower()}s", "values": values})
    return lists


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _whole(value: Any) -> int | float | None:
    """ISK as it is, counts as integers."""
    if value is None:
        return None
    return int(value) if int(value) == value else float(value)

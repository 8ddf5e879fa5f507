"""Whole killmails as ESI has them, put together again from the stored rows: equal to what was received.

Source of the shape: ESI's route GET /killmails/{killmail_id}/{killmail_hash}.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, RowMapping

from killreport_assets.web.formats import iso

Body = dict[str, Any]
VICTIM = ("character_id", "corporation_id", "alliance_id", "faction_id", "ship_type_id")
ATTACKER = (
    *("character_id", "corporation_id", "alliance_id", "faction_id", "ship_type_id", "weapon_type_id"),
    *("damage_done", "final_blow", "security_status"),
)
ITEM = ("item_type_id", "flag", "singleton", "quantity_destroyed", "quantity_dropped")


def bodies_of(connection: Connection, killmail_ids: Sequence[int]) -> dict[int, Body]:
    """The bodies of killmails by id, in three statements; ids that are not stored are left out."""
    ids = {"ids": list(killmail_ids)}
    found = connection.execute(sa.text("select * from raw.killmails where killmail_id = any(:ids)"), ids).mappings()
    bodies = {row["killmail_id"]: _body(row) for row in found}
    if not bodies:
        return {}
    times = {"first": min(body["killmail_time"] for body in bodies.values())}
    times["last"] = max(body["killmail_time"] for body in bodies.values())
    for row in _rows(connection, "killmail_attackers", "attacker_index", ids | times):
        bodies[row["killmail_id"]]["attackers"].append(_present(row, ATTACKER))
    by_index: dict[tuple[int, int], Body] = {}
    for row in _rows(connection, "killmail_items", "item_index", ids | times):
        item = _present(row, ITEM)
        by_index[row["killmail_id"], row["item_index"]] = item
        parent = bodies[row["killmail_id"]]["victim"]
        if row["parent_index"] is not None:
            parent = by_index[row["killmail_id"], row["parent_index"]]
        parent.setdefault("items", []).append(item)
    return bodies


def _rows(connection: Connection, table: str, index: str, asked: dict[str, Any]) -> sa.MappingResult:
    query = f"""
        select * from raw.{table} where killmail_id = any(:ids)
            and killmail_time between cast(:first as timestamptz) and cast(:last as timestamptz)
        order by killmail_id, {index}
    """
    return connection.execute(sa.text(query), asked).mappings()


def _body(row: RowMapping) -> Body:
    victim = {name: row[f"victim_{name}"] for name in VICTIM if row[f"victim_{name}"] is not None}
    victim |= {"damage_taken": row["victim_damage_taken"], "items": []}
    if row["position_x"] is not None:
        victim["position"] = {axis: row[f"position_{axis}"] for axis in "xyz"}
    body = {
        "killmail_id": row["killmail_id"],
        "killmail_time": iso(row["killmail_time"]),
        "solar_system_id": row["solar_system_id"],
        "victim": victim,
        "attackers": [],
    }
    return body | {name: row[name] for name in ("moon_id", "war_id") if row[name] is not None}


def _present(row: RowMapping, names: Sequence[str]) -> Body:
    return {name: row[name] for name in names if row[name] is not None}

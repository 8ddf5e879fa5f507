"""The `zkb` block: zKillboard's values of a killmail, in the same form in its live feed and its lists."""

import math
from datetime import datetime

from killreport_assets.models.killmail import is_killmail_hash
from killreport_assets.store.schema.columns import Row

SMALL, BIG = range(-(2**31), 2**31), range(-(2**63), 2**63)
FIELDS: dict[str, tuple[str, type | range]] = {
    "location_id": ("locationID", BIG),
    "fitted_value": ("fittedValue", float),
    "dropped_value": ("droppedValue", float),
    "destroyed_value": ("destroyedValue", float),
    "total_value": ("totalValue", float),
    "total_droppable_value": ("totalDroppableValue", float),
    "points": ("points", SMALL),
    "npc": ("npc", bool),
    "solo": ("solo", bool),
    "awox": ("awox", bool),
    "attacker_count": ("attackerCount", SMALL),
}


def zkillboard_values(killmail_id: int, block: object, observed_at: datetime) -> Row:
    """The row of `raw.zkillboard_values`; fields that are missing, of a wrong type or out of range are null."""
    given = block if isinstance(block, dict) else {}
    labels = given.get("labels")
    recorded_hash = given.get("hash")
    return {
        "killmail_id": killmail_id,
        "observed_at": observed_at,
        "killmail_hash": recorded_hash if is_killmail_hash(recorded_hash) else None,
        "labels": [label for label in labels if _is_text(label)] if isinstance(labels, list) else None,
    } | {column: _typed(given.get(name), wanted) for column, (name, wanted) in FIELDS.items()}


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def _typed(value: object, wanted: type | range) -> object:
    if wanted is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if isinstance(wanted, range):
        return int(value) if int(value) in wanted else None
    return float(value)

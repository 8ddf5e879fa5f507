"""zKillboard's block: what it says of a killmail, as its feed and its lists both carry it."""

import math
from datetime import datetime
from typing import Any

FIELDS = {
    "location_id": ("locationID", int),
    "fitted_value": ("fittedValue", float),
    "dropped_value": ("droppedValue", float),
    "destroyed_value": ("destroyedValue", float),
    "total_value": ("totalValue", float),
    "total_droppable_value": ("totalDroppableValue", float),
    "points": ("points", int),
    "npc": ("npc", bool),
    "solo": ("solo", bool),
    "awox": ("awox", bool),
    "attacker_count": ("attackerCount", int),
}


def zkillboard_values(killmail_id: int, block: Any, observed_at: datetime) -> dict[str, Any]:
    """The row of `raw.zkillboard_values`; what is missing or of a wrong type is null."""
    given = block if isinstance(block, dict) else {}
    labels = given.get("labels")
    return {
        "killmail_id": killmail_id,
        "observed_at": observed_at,
        "killmail_hash": given.get("hash") if isinstance(given.get("hash"), str) else None,
        "labels": [label for label in labels if isinstance(label, str)] if isinstance(labels, list) else None,
    } | {column: _typed(given.get(name), wanted) for column, (name, wanted) in FIELDS.items()}


def _typed(value: Any, wanted: type) -> Any:
    if wanted is bool:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return wanted(value)

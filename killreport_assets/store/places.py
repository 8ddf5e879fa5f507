"""The columns in which killmails mention entities, shared by lineage.py and the checks in mentions.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from killreport_assets.models.ids import EntityKind
from killreport_assets.store.schema import tables

STAGED = {
    "new_killmails": tables.killmails,
    "new_attackers": tables.killmail_attackers,
    "new_items": tables.killmail_items,
}
"""The writer's temporary tables, and the tables that their rows are inserted into."""
NewRows = Mapping[str, str]
"""Where the rows of new killmails are: an SQL relation for each of the names in STAGED."""
STAGED_ROWS: NewRows = {name: f"pg_temp.{name}" for name in STAGED}


PLAYER_KINDS = (EntityKind.ALLIANCE, EntityKind.CORPORATION, EntityKind.CHARACTER)


@dataclass(frozen=True)
class Place:
    """A column with ids of one kind of entity, and the SQL array of their roles."""

    staged: str
    column: str
    roles: str

    @property
    def table(self) -> sa.Table:
        """The permanent table; `staged` has the same columns for killmails that are being written."""
        return STAGED[self.staged]


_ATTACKER = "case when final_blow then array['attacker', 'final_blow'] else array['attacker'] end"
PLACES: dict[EntityKind, tuple[Place, ...]] = {
    kind: (
        Place("new_killmails", f"victim_{kind}_id", "array['victim']"),
        Place("new_attackers", f"{kind}_id", _ATTACKER),
    )
    for kind in PLAYER_KINDS
} | {
    EntityKind.TYPE: (
        Place("new_killmails", "victim_ship_type_id", "array['ship']"),
        Place("new_attackers", "ship_type_id", "array['ship']"),
        Place("new_attackers", "weapon_type_id", "array['weapon']"),
        Place("new_items", "item_type_id", "array['item']"),
    ),
}


def rows_of_this_transaction(earliest: datetime, latest: datetime) -> NewRows:
    """Where the rows are that this transaction has stored, all killed within this time."""
    during = f"killmail_time between '{earliest.isoformat()}' and '{latest.isoformat()}'"
    new = f"(select * from raw.killmails where {during} and stored_at = now())"
    return {"new_killmails": new} | {
        name: f"(select * from {table.fullname} where {during})"
        for name, table in STAGED.items()
        if table is not tables.killmails
    }

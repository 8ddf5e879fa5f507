"""Where killmails mention entities: the one list that the writer's lineage and the checks over all history share."""

from dataclasses import dataclass

import sqlalchemy as sa

from killreport_assets.store.schema import tables

STAGED = {
    "new_killmails": tables.killmails,
    "new_attackers": tables.killmail_attackers,
    "new_items": tables.killmail_items,
}
"""The writer's temporary tables, and where their rows end up."""
PLAYER_KINDS = ("alliance", "corporation", "character")


@dataclass(frozen=True)
class Place:
    """A column that holds ids of one kind of entity, and the SQL array of the roles that it gives them."""

    staged: str
    column: str
    roles: str

    @property
    def table(self) -> sa.Table:
        """The table of all killmails; `staged` has the same columns for those that are being written."""
        return STAGED[self.staged]


_ATTACKER = "case when final_blow then array['attacker', 'final_blow'] else array['attacker'] end"
PLACES: dict[str, tuple[Place, ...]] = {
    kind: (
        Place("new_killmails", f"victim_{kind}_id", "array['victim']"),
        Place("new_attackers", f"{kind}_id", _ATTACKER),
    )
    for kind in PLAYER_KINDS
} | {
    "type": (
        Place("new_killmails", "victim_ship_type_id", "array['ship']"),
        Place("new_attackers", "ship_type_id", "array['ship']"),
        Place("new_attackers", "weapon_type_id", "array['weapon']"),
        Place("new_items", "item_type_id", "array['item']"),
    ),
}

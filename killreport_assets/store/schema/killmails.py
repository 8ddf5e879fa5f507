"""The tables of killmails, as their sources give them, and what zKillboard says of them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from killreport_assets.store.schema.columns import bigint, flag, id_key, metadata, real, text, time


def _monthly(name: str, key: tuple[str, ...], *columns: sa.Column[Any], comment: str) -> sa.Table:
    """A killmail table: range-partitioned by month of killmail_time, partitions made by the writer."""
    return sa.Table(
        name,
        metadata,
        *columns,
        sa.PrimaryKeyConstraint(*key),
        # Rows come roughly in the order of their time: a few kilobytes tell where a day's are.
        sa.Index(f"{name}_time", "killmail_time", postgresql_using="brin"),
        schema="raw",
        comment=comment,
        postgresql_partition_by="RANGE (killmail_time)",
    )


killmails = _monthly(
    "killmails",
    ("killmail_id", "killmail_time"),
    bigint("killmail_id", "CCP's id; grows roughly with time", required=True),
    time("killmail_time", "when the victim was killed, UTC; to the minute before November 2015", required=True),
    text("killmail_hash", "40 hex digits; computable from victim, final blow, hull and time"),
    bigint("solar_system_id", "where it happened", required=True),
    bigint("moon_id", "the moon, if the kill took place at one"),
    bigint("war_id", "the war, if it belongs to one"),
    bigint("victim_character_id", "absent for structures"),
    bigint("victim_corporation_id", "the victim's corporation then"),
    bigint("victim_alliance_id", "the victim's alliance then"),
    bigint("victim_faction_id", "the victim's militia, or the NPC faction"),
    bigint("victim_ship_type_id", "the hull that was lost", required=True),
    bigint("victim_damage_taken", "damage in hit points", required=True),
    real("position_x", "metres from the sun; absent before November 2015"),
    real("position_y", "metres from the sun"),
    real("position_z", "metres from the sun"),
    text("source", "r2z2, zkillboard, everef or esi: who brought it first", required=True),
    time("stored_at", "when it was stored here", required=True, now=True),
    comment="One row for each killmail; immutable",
)

killmail_attackers = _monthly(
    "killmail_attackers",
    ("killmail_id", "attacker_index", "killmail_time"),
    bigint("killmail_id", required=True),
    time("killmail_time", required=True),
    sa.Column("attacker_index", sa.Integer, nullable=False, comment="place in the killmail's list: the only identity"),
    bigint("character_id", "absent for NPCs and for players' structures"),
    bigint("corporation_id", "the attacker's corporation then"),
    bigint("alliance_id", "the attacker's alliance then"),
    bigint("faction_id", "the attacker's militia, or the NPC faction"),
    bigint("ship_type_id"),
    bigint("weapon_type_id", "may be the hull"),
    bigint("damage_done", "damage in hit points", required=True),
    sa.Column("final_blow", sa.Boolean, nullable=False, comment="true for exactly one attacker of a killmail"),
    real("security_status", "-10 to 5"),
    comment="One row for each attacker of a killmail",
)

killmail_items = _monthly(
    "killmail_items",
    ("killmail_id", "item_index", "killmail_time"),
    bigint("killmail_id", required=True),
    time("killmail_time", required=True),
    sa.Column("item_index", sa.Integer, nullable=False, comment="place in the killmail, containers before contents"),
    sa.Column("parent_index", sa.Integer, comment="item_index of the container that it was in"),
    bigint("item_type_id", "the item type", required=True),
    bigint("flag", "slot or bay: raw.inventory_flags; 0 before May 2012", required=True),
    bigint("singleton", "2: blueprint copy", required=True),
    bigint("quantity_destroyed", "units that were destroyed"),
    bigint("quantity_dropped", "units that were dropped"),
    comment="One row for each item row of a killmail, contents of containers too; repeats are genuine",
)

zkillboard_values = sa.Table(
    "zkillboard_values",
    metadata,
    id_key("killmail_id"),
    time("observed_at", "upload time of the feed, fetch time of a list; the last observation wins", required=True),
    text("killmail_hash"),
    bigint("location_id", "nearest celestial"),
    real("fitted_value", "ISK"),
    real("dropped_value", "ISK"),
    real("destroyed_value", "ISK"),
    real("total_value", "ISK"),
    real("total_droppable_value", "ISK"),
    sa.Column("points", sa.Integer, comment="zKillboard's points"),
    flag("npc", "whether zKillboard counts it as a loss to NPCs"),
    flag("solo", "whether it counts it as a solo kill"),
    flag("awox", "whether it counts it as a kill by the victim's own corporation"),
    sa.Column("labels", ARRAY(sa.Text), comment="zKillboard's labels, as pvp or loc:nullsec"),
    sa.Column("attacker_count", sa.Integer, comment="attackers, as it counts them"),
    schema="raw",
    comment="What zKillboard says of a killmail: its own prices, flags and labels",
)

KILLMAIL_TABLES = (killmails, killmail_attackers, killmail_items, zkillboard_values)

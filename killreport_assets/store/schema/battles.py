"""The tables of battles: which killmails are one battle, and which side each party of it was on.

Schema `derived`: computed by the room battles/ from `raw`, and read by dbt. Sums over battles belong in dbt's models.
"""

import sqlalchemy as sa

from killreport_assets.store.schema.columns import bigint, flag, id_key, metadata, real, text, time

SCHEMA = "derived"
_SIDE = "the side: 1 has the most pilots"

battles = sa.Table(
    "battles",
    metadata,
    id_key("battle_id", "the id of the battle's first killmail"),
    sa.Column("killmail_date", sa.Date, nullable=False, comment="UTC day of the first killmail"),
    time("started_at", "when the first victim was killed", required=True),
    time("ended_at", "when the last victim was killed", required=True),
    real("split_confidence", "0 to 1: the share of the shooting that was between the sides", required=True),
    sa.Index("battles_by_date", "killmail_date"),
    schema=SCHEMA,
    comment="One row for each battle",
)
battle_killmails = sa.Table(
    "battle_killmails",
    metadata,
    id_key("killmail_id", "a killmail is in one battle"),
    time("killmail_time", required=True),
    bigint("battle_id", "the battle", required=True),
    sa.Index("battle_killmails_by_battle", "battle_id"),
    sa.Index("battle_killmails_by_time", "killmail_time"),
    schema=SCHEMA,
    comment="One row for each killmail of a battle",
)
battle_parties = sa.Table(
    "battle_parties",
    metadata,
    bigint("battle_id", "the battle", required=True),
    bigint(
        "party_id", "an alliance; a corporation without one; a militia or a pilot of an NPC corporation", required=True
    ),
    text("party_kind", "alliance, corporation, faction or character", required=True),
    bigint("side", _SIDE, required=True),
    real("confidence", "0 to 1: the share of its shooting, both ways, that was with other sides; null: it had none"),
    sa.PrimaryKeyConstraint("battle_id", "party_id"),
    schema=SCHEMA,
    comment="One row for each party of a battle",
)
battle_sides = sa.Table(
    "battle_sides",
    metadata,
    bigint("battle_id", "the battle", required=True),
    bigint("side", _SIDE, required=True),
    real("hostility_share", "0 to 1: the share of the shooting between sides that was by it or at it", required=True),
    flag("is_third_party", "whether it fought little of the battle, beside two others"),
    sa.PrimaryKeyConstraint("battle_id", "side"),
    schema=SCHEMA,
    comment="One row for each side of a battle",
)
former_battles = sa.Table(
    "former_battles",
    metadata,
    id_key("former_battle_id", "an id that a battle had"),
    bigint("battle_id", "the battle that has its killmails now; null: they are no battle any more"),
    time("changed_at", "when a killmail that came late changed it", required=True, now=True),
    schema=SCHEMA,
    comment="Ids of battles that late killmails joined with others, or began earlier",
)

BATTLE_TABLES = (battles, battle_killmails, battle_parties, battle_sides)
"""What is found again together, battles first."""

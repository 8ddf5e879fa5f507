"""Battles, and the stargates that they reach over."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "battle_killmails",
        sa.Column(
            "killmail_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="a killmail is in one battle"
        ),
        sa.Column(
            "killmail_time", sa.DateTime(timezone=True), nullable=False, comment="when the victim was killed, UTC"
        ),
        sa.Column("battle_id", sa.BigInteger(), nullable=False, comment="the battle"),
        sa.PrimaryKeyConstraint("killmail_id"),
        schema="derived",
        comment="One row for each killmail of a battle",
    )
    op.create_index("battle_killmails_by_battle", "battle_killmails", ["battle_id"], unique=False, schema="derived")
    op.create_index("battle_killmails_by_time", "battle_killmails", ["killmail_time"], unique=False, schema="derived")
    op.create_table(
        "battle_parties",
        sa.Column("battle_id", sa.BigInteger(), nullable=False, comment="the battle"),
        sa.Column(
            "party_id",
            sa.BigInteger(),
            nullable=False,
            comment="an alliance; a corporation without one; a militia or a pilot of an NPC corporation",
        ),
        sa.Column("party_kind", sa.Text(), nullable=False, comment="alliance, corporation, faction or character"),
        sa.Column("side", sa.BigInteger(), nullable=False, comment="the side: 1 has the most pilots"),
        sa.Column(
            "confidence",
            sa.Double(),
            nullable=True,
            comment="0 to 1: the share of its shooting, both ways, that was with other sides; null: it had none",
        ),
        sa.PrimaryKeyConstraint("battle_id", "party_id"),
        schema="derived",
        comment="One row for each party of a battle",
    )
    op.create_table(
        "battle_sides",
        sa.Column("battle_id", sa.BigInteger(), nullable=False, comment="the battle"),
        sa.Column("side", sa.BigInteger(), nullable=False, comment="the side: 1 has the most pilots"),
        sa.Column(
            "hostility_share",
            sa.Double(),
            nullable=False,
            comment="0 to 1: the share of the shooting between sides that was by it or at it",
        ),
        sa.Column(
            "is_third_party",
            sa.Boolean(),
            nullable=True,
            comment="whether it fought little of the battle, beside two others",
        ),
        sa.PrimaryKeyConstraint("battle_id", "side"),
        schema="derived",
        comment="One row for each side of a battle",
    )
    op.create_table(
        "battles",
        sa.Column(
            "battle_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the id of the battle's first killmail",
        ),
        sa.Column("killmail_date", sa.Date(), nullable=False, comment="UTC day of the first killmail"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="when the first victim was killed"),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False, comment="when the last victim was killed"),
        sa.Column(
            "split_confidence",
            sa.Double(),
            nullable=False,
            comment="0 to 1: the share of the shooting that was between the sides",
        ),
        sa.PrimaryKeyConstraint("battle_id"),
        schema="derived",
        comment="One row for each battle",
    )
    op.create_index("battles_by_date", "battles", ["killmail_date"], unique=False, schema="derived")
    op.create_table(
        "former_battles",
        sa.Column(
            "former_battle_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="an id that a battle had"
        ),
        sa.Column(
            "battle_id",
            sa.BigInteger(),
            nullable=True,
            comment="the battle that has its killmails now; null: they are no battle any more",
        ),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when a killmail that came late changed it",
        ),
        sa.PrimaryKeyConstraint("former_battle_id"),
        schema="derived",
        comment="Ids of battles that late killmails joined with others, or began earlier",
    )
    op.create_table(
        "stargates",
        sa.Column("system_id", sa.BigInteger(), nullable=False, comment="the solar system"),
        sa.Column(
            "destination_system_id",
            sa.BigInteger(),
            nullable=False,
            comment="the solar system that the stargate leads to",
        ),
        sa.PrimaryKeyConstraint("system_id", "destination_system_id"),
        schema="raw",
        comment="Which solar systems are a stargate apart, both ways",
    )
    # The build that is loaded has stargates too: it is read again.
    op.execute("delete from ops.source_versions where source = 'sde' and part = 'build'")


def downgrade() -> None:
    op.drop_table("stargates", schema="raw")
    for table in ("former_battles", "battles", "battle_sides", "battle_parties", "battle_killmails"):
        op.drop_table(table, schema="derived")
    op.execute("delete from ops.transform_builds where cadence = 'battles'")

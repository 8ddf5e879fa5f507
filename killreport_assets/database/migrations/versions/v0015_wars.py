"""Wars and their allies."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "war_allies",
        sa.Column("war_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="the war"),
        sa.Column("entity_kind", sa.Text(), nullable=False, comment="corporation or alliance"),
        sa.Column("entity_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="the defender's ally"),
        sa.PrimaryKeyConstraint("war_id", "entity_kind", "entity_id"),
        schema="raw",
        comment="One row for each ally of a war's defender",
    )
    op.create_table(
        "wars",
        sa.Column("war_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="the war"),
        sa.Column("declared", sa.DateTime(timezone=True), nullable=False, comment="when it was declared"),
        sa.Column("started", sa.DateTime(timezone=True), nullable=True, comment="when shooting was allowed"),
        sa.Column(
            "retracted",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was retracted; shooting goes on until it is finished",
        ),
        sa.Column(
            "finished",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when shooting was no longer allowed; null: it goes on",
        ),
        sa.Column("mutual", sa.Boolean(), nullable=True, comment="whether both sides want it"),
        sa.Column("open_for_allies", sa.Boolean(), nullable=True, comment="whether the defender takes allies"),
        sa.Column(
            "aggressor_corporation_id", sa.BigInteger(), nullable=True, comment="the aggressor, if it is a corporation"
        ),
        sa.Column(
            "aggressor_alliance_id", sa.BigInteger(), nullable=True, comment="the aggressor, if it is an alliance"
        ),
        sa.Column(
            "aggressor_isk_destroyed",
            sa.Numeric(precision=24, scale=2),
            nullable=True,
            comment="ISK, what the aggressor destroyed, as ESI counts it",
        ),
        sa.Column(
            "aggressor_ships_killed",
            sa.BigInteger(),
            nullable=True,
            comment="ships that the aggressor killed, as ESI counts them",
        ),
        sa.Column(
            "defender_corporation_id", sa.BigInteger(), nullable=True, comment="the defender, if it is a corporation"
        ),
        sa.Column("defender_alliance_id", sa.BigInteger(), nullable=True, comment="the defender, if it is an alliance"),
        sa.Column(
            "defender_isk_destroyed",
            sa.Numeric(precision=24, scale=2),
            nullable=True,
            comment="ISK, what the defender destroyed, as ESI counts it",
        ),
        sa.Column(
            "defender_ships_killed",
            sa.BigInteger(),
            nullable=True,
            comment="ships that the defender killed, as ESI counts them",
        ),
        sa.Column("source", sa.Text(), nullable=False, comment="everef or esi: where the last observation is from"),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when ESI said so; the last observation wins",
        ),
        sa.PrimaryKeyConstraint("war_id"),
        schema="raw",
        comment="One row for each war",
    )


def downgrade() -> None:
    op.execute("delete from ops.source_versions where source = 'everef_wars'")
    op.drop_table("wars", schema="raw")
    op.drop_table("war_allies", schema="raw")

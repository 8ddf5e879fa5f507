"""Which changes of definitions the marts have; those of an older release are built again."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column(
        "transform_builds",
        sa.Column(
            "definitions",
            sa.Integer(),
            nullable=True,
            comment="changes of definitions that they have; null: an older release's",
        ),
        schema="ops",
    )


def downgrade() -> None:
    op.drop_column("transform_builds", "definitions", schema="ops")

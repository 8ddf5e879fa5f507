"""Clocks of machines, beside which a jump of PostgreSQL's is seen."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "request_clocks",
        sa.Column("machine", sa.Text(), nullable=False, comment="a machine since it was started"),
        sa.Column("ahead_at_least", sa.Double(), nullable=False, comment="a lower bound of it"),
        sa.Column("ahead_at_most", sa.Double(), nullable=False, comment="an upper bound of it"),
        sa.PrimaryKeyConstraint("machine"),
        schema="ops",
        comment="Seconds that PostgreSQL's clock is ahead of a machine's own, which never jumps: a change is a jump",
    )

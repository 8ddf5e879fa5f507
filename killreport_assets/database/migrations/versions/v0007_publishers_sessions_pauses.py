"""Claims end with their process, sessions of the sign-in page with signing out, pauses when the clock goes back."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column(
        "entity_pending",
        sa.Column(
            "claimed_by",
            sa.Integer(),
            nullable=True,
            comment="the lock that this process holds until its message is confirmed",
        ),
        schema="ops",
    )
    op.create_index(
        "entity_pending_claimed",
        "entity_pending",
        ["claimed_by"],
        schema="ops",
        postgresql_where=sa.text("claimed_by is not null"),
    )
    op.create_table(
        "ended_sessions",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("session_id"),
        schema="ops",
        comment="Sessions of the sign-in page whose owners signed out: a copy of their cookies is refused",
    )
    op.add_column(
        "request_pace",
        sa.Column(
            "paused_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when that was recorded: while the clock shows less, it has gone back and the pause is over",
        ),
        schema="ops",
    )

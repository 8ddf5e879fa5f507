"""Feed failures and gaps, suspect messages, and when each day changed."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "feed_failures",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="1", nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column(
            "content",
            sa.LargeBinary(),
            nullable=True,
            comment="the answer as received, its first mebibyte; null: there was none",
        ),
        sa.PrimaryKeyConstraint("feed", "sequence"),
        schema="ops",
        comment="Entries of feeds that cannot be read; each is tried again until it can be, or has expired",
    )
    op.create_table(
        "suspect_messages",
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="sha256 of queue and body"),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="1", nullable=False, comment="workers that handled it alone"),
        sa.Column(
            "tried_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when the last of them started",
        ),
        sa.PrimaryKeyConstraint("fingerprint"),
        schema="ops",
        comment="Messages that a worker handles alone, because they may have killed others; a row stays when it dies",
    )
    op.add_column(
        "feed_cursors",
        sa.Column(
            "read_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the feed was last read without a failure, whether or not it had new entries",
        ),
        schema="ops",
    )
    op.add_column(
        "feed_cursors",
        sa.Column("failure", sa.Text(), nullable=True, comment="why the last reading stopped early; null: it did not"),
        schema="ops",
    )
    op.alter_column(
        "feed_cursors",
        "head_sequence",
        existing_type=sa.BIGINT(),
        comment="the newest entry, as the feed said last",
        existing_comment="the newest entry that the feed was seen to have",
        existing_nullable=True,
        schema="ops",
    )
    op.add_column(
        "feed_gaps",
        sa.Column(
            "next_sequence",
            sa.BigInteger(),
            nullable=True,
            comment="the next entry of the gap to request, newest first; null: the feed has none of them",
        ),
        schema="ops",
    )
    op.create_table_comment(
        "feed_gaps",
        "Entries that were missing when the feed was read, and whether each has been requested",
        existing_comment="Entries that had expired before they were read: load those days from the archives",
        schema="ops",
    )
    op.add_column(
        "changed_days",
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when that transaction began",
        ),
        schema="ops",
    )

"""The days of EVE's history, and killmails that are missing; archives that were read before are not read again."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "history_days",
        sa.Column("killmail_date", sa.Date(), nullable=False, comment="the day in UTC"),
        sa.Column("everef_total", sa.Integer(), nullable=True, comment="killmails of the day in EVE Ref's totals"),
        sa.Column(
            "zkillboard_total", sa.Integer(), nullable=True, comment="killmails of the day in zKillboard's totals"
        ),
        sa.Column(
            "stored",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="killmails of the day that are stored, when they were last counted",
        ),
        sa.Column(
            "rejected",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="killmails of its archive that could not be stored, at the last loading",
        ),
        sa.Column(
            "late",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="killmails that its archive brought after the first loading",
        ),
        sa.Column("etag", sa.Text(), nullable=True, comment="version of the archive that was loaded last"),
        sa.Column("bytes", sa.BigInteger(), nullable=True, comment="size of that archive"),
        sa.Column(
            "loaded_at", sa.DateTime(timezone=True), nullable=True, comment="when an archive of the day was last loaded"
        ),
        sa.Column(
            "counted_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the day's stored killmails were last counted",
        ),
        sa.Column(
            "state",
            sa.Text(),
            nullable=False,
            comment="listed: not loaded yet; loaded: as whole as EVE Ref's archive; incomplete: see reason",
        ),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is incomplete"),
        sa.CheckConstraint("state in ('listed', 'loaded', 'incomplete')", name="history_days_state"),
        sa.PrimaryKeyConstraint("killmail_date"),
        schema="ops",
        comment="One row for each day of EVE's history: what EVE Ref and zKillboard have of it, and what is stored",
    )
    op.create_table(
        "missing_killmails",
        sa.Column("killmail_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="the killmail"),
        sa.Column("killmail_date", sa.Date(), nullable=False, comment="the day in UTC, as the list says"),
        sa.Column("killmail_hash", sa.Text(), nullable=False, comment="40 hex digits, with which ESI gives the body"),
        sa.Column("listed_by", sa.Text(), nullable=False, comment="zkillboard: whose list names it"),
        sa.Column(
            "found_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was found to be missing",
        ),
        sa.Column(
            "reason",
            sa.Text(),
            nullable=True,
            comment="why it is missing for good, as ESI says; null: it has been requested",
        ),
        sa.PrimaryKeyConstraint("killmail_id"),
        schema="ops",
        comment="Killmails that a day's list names and that are not stored",
    )
    op.create_index("missing_killmails_date", "missing_killmails", ["killmail_date"], unique=False, schema="ops")
    op.execute("""
        insert into ops.history_days (killmail_date, etag, loaded_at, state)
        select cast(part as date), version, read_at, 'loaded' from ops.source_versions where source = 'everef'
    """)
    op.execute("delete from ops.source_versions where source = 'everef'")


def downgrade() -> None:
    op.execute("""
        insert into ops.source_versions (source, part, version, read_at)
        select 'everef', cast(killmail_date as text), etag, loaded_at from ops.history_days where etag is not null
    """)
    op.drop_table("missing_killmails", schema="ops")
    op.drop_table("history_days", schema="ops")

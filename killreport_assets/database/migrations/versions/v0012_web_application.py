"""The web application: places of systems, its live feed, API tokens, requests, and when accounts signed out."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    for name, direction in (("position_x", "from west to east"), ("position_z", "from south to north")):
        comment = f"metres, {direction} on a map"
        op.add_column("systems", sa.Column(name, sa.Double(), comment=comment), schema="raw")
    op.create_table(
        "sign_outs",
        sa.Column("account_id", sa.BigInteger(), autoincrement=False, nullable=False, comment="whose sessions"),
        sa.Column(
            "signed_out_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="sessions that began before are refused, on every device",
        ),
        sa.PrimaryKeyConstraint("account_id"),
        schema="ops",
        comment="When the owner of an account last signed out",
    )
    op.create_table(
        "api_tokens",
        sa.Column(
            "token_hash", sa.Text(), nullable=False, comment="SHA-256 of the token, which is shown once and not kept"
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="what it is for, in its owner's words"),
        sa.Column(
            "account_id",
            sa.BigInteger(),
            comment="whose killmails it may read; absent: of no person, made by the operator",
        ),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False, comment="read, and sync: what it may be used for"),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was made",
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), comment="from when on it is refused; absent: never"),
        sa.Column("last_used_at", sa.DateTime(timezone=True), comment="when it was last used, to a minute"),
        sa.Column("revoked_at", sa.DateTime(timezone=True), comment="when it was revoked"),
        sa.PrimaryKeyConstraint("token_hash"),
        schema="ops",
        comment="Tokens for programs that use the API",
    )
    op.create_table(
        "live_feed",
        sa.Column(
            "killmail_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the killmail that was stored",
        ),
        sa.Column("sequence", sa.BigInteger(), comment="the entry's number; absent: not numbered yet"),
        sa.Column(
            "announced_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was stored",
        ),
        sa.PrimaryKeyConstraint("killmail_id"),
        sa.UniqueConstraint("sequence"),
        schema="ops",
        comment="Our own live feed: killmails of the last days as they were stored, for those who follow this one",
    )
    op.create_table(
        "api_requests",
        sa.Column("caller", sa.Text(), nullable=False, comment="a hash of the token or of the address that asks"),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False, comment="the minute that is counted"),
        sa.Column("requests", sa.Integer(), nullable=False, comment="requests in it"),
        sa.PrimaryKeyConstraint("caller"),
        schema="ops",
        comment="Requests to the API in the current minute, for all processes and machines together",
        prefixes=["UNLOGGED"],
    )

"""Users: who has signed in, their encrypted tokens, their killmail lists; killmails may be pending too."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "killmail_lists",
        sa.Column(
            "list_kind",
            sa.Text(),
            nullable=False,
            comment="the kind of its queue's messages: user_killmails or corporation_killmails",
        ),
        sa.Column("subject_id", sa.BigInteger(), nullable=False, comment="the character or the corporation"),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it is due again",
        ),
        sa.Column("synced_at", sa.DateTime(timezone=True), nullable=True, comment="when it was last read successfully"),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=True, comment="ESI has nothing newer before"),
        sa.Column("outcome", sa.Text(), nullable=True, comment="of the last try"),
        sa.Column(
            "failures", sa.Integer(), server_default=sa.text("0"), nullable=False, comment="tries failed in a row"
        ),
        sa.Column("etag", sa.Text(), nullable=True, comment="of the first page"),
        sa.Column("resume_page", sa.Integer(), nullable=True, comment="where a list that was cut short goes on"),
        sa.Column("newest_killmail_id", sa.BigInteger(), nullable=True, comment="the highest that it has had"),
        sa.Column(
            "newest_killmail_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when that happened; absent: not stored yet",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("list_kind", "subject_id"),
        schema="ops",
        comment="Killmail lists of users and their corporations on ESI: when each is due, how far it is read",
    )
    op.create_index("killmail_lists_due", "killmail_lists", ["next_at"], unique=False, schema="ops")
    op.create_table(
        "sign_ins",
        sa.Column("character_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("character_name", sa.Text(), nullable=False),
        sa.Column(
            "account_id",
            sa.BigInteger(),
            nullable=False,
            comment="the same for all characters that one person has signed in with",
        ),
        sa.Column(
            "owner_hash",
            sa.Text(),
            nullable=False,
            comment="EVE's hash of the character's owner: another one means another person",
        ),
        sa.Column("corporation_id", sa.BigInteger(), nullable=True, comment="today's, as ESI last said"),
        sa.Column("corporation_checked_at", sa.DateTime(timezone=True), nullable=True, comment="when ESI last said it"),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False, comment="what EVE's sign-in granted"),
        sa.Column("state", sa.Text(), nullable=False, comment="active, or disabled: the sign-in no longer works"),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it is disabled, and what to do"),
        sa.Column(
            "corporation_state", sa.Text(), nullable=False, comment="not granted, on, or off: ESI refused for good"
        ),
        sa.Column(
            "corporation_reason",
            sa.Text(),
            nullable=True,
            comment="why the corporation's killmails are not listed with this sign-in",
        ),
        sa.Column(
            "corporation_retry_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="not tried for the corporation before",
        ),
        sa.Column(
            "corporation_used_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was last used for the corporation: Directors take turns",
        ),
        sa.Column("tier", sa.Text(), nullable=False, comment="standard or premium"),
        sa.Column(
            "interval_seconds", sa.Integer(), nullable=True, comment="this user's own interval; absent: the tier's"
        ),
        sa.Column("first_signed_in_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "signed_in_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="the last time",
        ),
        sa.PrimaryKeyConstraint("character_id"),
        schema="ops",
        comment="Sign-ins with EVE, one a character; what may be seen of them is the view ops.users",
    )
    op.create_table(
        "tokens",
        sa.Column("character_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("access_token", sa.Text(), nullable=False, comment="encrypted"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="the access token's end"),
        sa.Column("refresh_token", sa.Text(), nullable=True, comment="encrypted; absent: EVE gave none"),
        sa.Column(
            "key_id",
            sa.Text(),
            nullable=False,
            comment="which key it is encrypted with: the beginning of that key's SHA-256",
        ),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "failing_since",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="since when refreshing has failed for a passing reason",
        ),
        sa.ForeignKeyConstraint(["character_id"], ["ops.sign_ins.character_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("character_id"),
        schema="ops",
        comment="The tokens of users, encrypted",
    )
    op.add_column(
        "entity_pending",
        sa.Column("hash", sa.Text(), nullable=True, comment="of a killmail that is known by id and hash only"),
        schema="ops",
    )
    op.add_column(
        "syncs",
        sa.Column("character_id", sa.BigInteger(), nullable=True, comment="whose sign-in was used"),
        schema="ops",
    )
    op.execute("""
        create view ops.users as
        select s.character_id, s.character_name, s.account_id, s.corporation_id,
               coalesce(c.name, n.name) as corporation_name, s.scopes, s.state, s.reason,
               s.corporation_state, s.corporation_reason, s.corporation_retry_at, s.tier, s.interval_seconds,
               s.first_signed_in_at, s.signed_in_at,
               l.synced_at, case when s.state = 'active' then l.next_at end as next_at, l.fresh_until, l.outcome,
               o.synced_at as corporation_synced_at,
               case when s.state = 'active' and s.corporation_state = 'on'
                    then greatest(o.next_at, s.corporation_retry_at) end as corporation_next_at,
               o.outcome as corporation_outcome
        from ops.sign_ins s
        left join ops.killmail_lists l on l.list_kind = 'user_killmails' and l.subject_id = s.character_id
        left join ops.killmail_lists o on o.list_kind = 'corporation_killmails' and o.subject_id = s.corporation_id
            and s.corporation_state <> 'not granted'
        left join raw.corporations c on c.corporation_id = s.corporation_id
        left join raw.entity_names n on n.entity_kind = 'corporation' and n.entity_id = s.corporation_id
    """)
    op.execute("""
        comment on view ops.users is
            'Characters whose owners have signed in, and how their lists stand; no secret in it'
    """)

"""What the producers, the names, the affiliations and the replay of dead letters need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "followed",
        sa.Column("entity_kind", sa.Text(), nullable=False, comment="character, corporation or alliance"),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("followed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
        schema="ops",
        comment="Whose killmails the operator wants listed on zKillboard regularly",
    )
    op.create_table(
        "alliance_corporations",
        sa.Column("alliance_id", sa.BigInteger(), nullable=False),
        sa.Column("corporation_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "listed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when ESI last listed it",
        ),
        sa.PrimaryKeyConstraint("alliance_id", "corporation_id"),
        schema="raw",
        comment="The corporations of each alliance, as ESI lists them today",
    )
    op.create_table(
        "character_affiliations",
        sa.Column("character_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "valid_from",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it was first seen so; it may have begun earlier",
        ),
        sa.Column(
            "valid_to",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when another was first seen; absent: today's",
        ),
        sa.Column("corporation_id", sa.BigInteger(), nullable=False),
        sa.Column("alliance_id", sa.BigInteger(), nullable=True),
        sa.Column("faction_id", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False, comment="when it was last seen so"),
        sa.Column(
            "learnt_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this row was written",
        ),
        sa.PrimaryKeyConstraint("character_id", "valid_from"),
        schema="raw",
        comment="Who belonged to which corporation and alliance, as far as we have looked",
    )
    op.create_index(
        "character_affiliations_today",
        "character_affiliations",
        ["character_id"],
        unique=True,
        schema="raw",
        postgresql_where=sa.text("valid_to is null"),
    )
    op.create_table(
        "entity_names",
        sa.Column("entity_kind", sa.Text(), nullable=False, comment="alliance, corporation, character or type"),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True, comment="absent: ESI cannot name it (yet)"),
        sa.Column("asked_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
        schema="raw",
        comment="Names that came in bulk, before the bodies; where there is a body, its name counts",
    )
    op.add_column(
        "dead_letters",
        sa.Column(
            "replayed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was published again; a death after that takes this back",
        ),
        schema="ops",
    )
    op.alter_column(
        "dead_letters",
        "died_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when it failed for the last time",
        existing_nullable=False,
        existing_server_default=sa.text("now()"),
        schema="ops",
    )
    op.add_column(
        "entity_pending",
        sa.Column(
            "urgent", sa.Boolean(), server_default=sa.text("false"), nullable=False, comment="goes to the urgent lane"
        ),
        schema="ops",
    )
    op.add_column(
        "entity_pending",
        sa.Column(
            "is_known",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="its body is stored already, it is only stale",
        ),
        schema="ops",
    )
    op.alter_column(
        "entity_pending",
        "entity_kind",
        existing_type=sa.TEXT(),
        comment="the kind of a work queue's messages: character, alliance_corporations, ...",
        existing_comment="alliance, corporation, character or type",
        existing_nullable=False,
        schema="ops",
    )
    op.alter_column(
        "entity_pending",
        "dead_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when its message died; it is not published again until somebody replays it",
        existing_comment="when its message died; it is not published again",
        existing_nullable=True,
        schema="ops",
    )
    op.create_table_comment(
        "entity_pending",
        "Work that a queue is still to do, by its message's kind: each is published once",
        existing_comment="Entities that killmails mention and the dimension tables lack",
        schema="ops",
    )
    op.add_column(
        "feed_cursors",
        sa.Column(
            "head_sequence", sa.BigInteger(), nullable=True, comment="the newest entry that the feed was seen to have"
        ),
        schema="ops",
    )
    op.add_column("feed_cursors", sa.Column("head_seen_at", sa.DateTime(timezone=True), nullable=True), schema="ops")
    op.add_column(
        "request_tokens",
        sa.Column(
            "unsettled",
            sa.BigInteger(),
            server_default=sa.text("0"),
            nullable=False,
            comment="requests whose answers are not known",
        ),
        schema="ops",
    )
    op.add_column(
        "alliances",
        sa.Column(
            "closed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was first seen without any corporation",
        ),
        schema="raw",
    )
    op.add_column(
        "alliances",
        sa.Column(
            "known_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this row was first stored; killmails stored later need not ask for it",
        ),
        schema="raw",
    )
    op.add_column(
        "characters",
        sa.Column(
            "known_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this row was first stored; killmails stored later need not ask for it",
        ),
        schema="raw",
    )
    op.add_column(
        "corporations",
        sa.Column(
            "known_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this row was first stored; killmails stored later need not ask for it",
        ),
        schema="raw",
    )
    op.add_column(
        "types",
        sa.Column(
            "known_since",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this row was first stored; killmails stored later need not ask for it",
        ),
        schema="raw",
    )
    op.create_index(
        "entity_pending_free",
        "entity_pending",
        ["urgent", "first_seen"],
        schema="ops",
        postgresql_where=sa.text("published_at is null and dead_at is null"),
    )
    # What was known before this version is dated by the first killmail that had it fetched; the rest was there before.
    for kind, table in (
        ("alliance", "alliances"),
        ("corporation", "corporations"),
        ("character", "characters"),
        ("type", "types"),
    ):
        op.execute(f"""
            update raw.{table} d set known_since = coalesce(
                (select min(e.enriched_at) from ops.enrichments e
                 where e.entity_kind = '{kind}' and e.entity_id = d.{kind}_id), timestamptz '2003-05-06')
        """)

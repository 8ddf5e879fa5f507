"""Comments of tables and columns in the words of the glossary."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.alter_column(
        "changed_days",
        "changed_in",
        existing_type=sa.BIGINT(),
        comment="the transaction (xid8) that changed it: visible wherever its rows are",
        existing_comment="the transaction (xid8) that changed it: seen by whoever sees its rows",
        existing_nullable=False,
        schema="ops",
    )
    op.alter_column(
        "dead_letters",
        "reason",
        existing_type=sa.TEXT(),
        comment="why it is a dead letter",
        existing_comment="why nothing more is tried",
        existing_nullable=False,
        schema="ops",
    )
    op.alter_column(
        "dead_letters",
        "replayed_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when it was published again; a later failure for good empties this",
        existing_comment="when it was published again; a death after that takes this back",
        existing_nullable=True,
        schema="ops",
    )
    op.create_table_comment(
        "dead_letters",
        "Messages with which nothing more is tried",
        existing_comment="Messages that nothing more is tried with",
        schema="ops",
    )
    op.alter_column(
        "entity_pending",
        "claimed_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when a process claimed it to publish it; expires in minutes",
        existing_comment="when somebody took it to publish it; expires in minutes",
        existing_nullable=True,
        schema="ops",
    )
    op.alter_column(
        "entity_pending",
        "dead_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when its message became a dead letter; it is not published again until that is replayed",
        existing_comment="when its message died; it is not published again until somebody replays it",
        existing_nullable=True,
        schema="ops",
    )
    op.alter_column(
        "entity_pending",
        "urgent",
        existing_type=sa.BOOLEAN(),
        comment="goes into the priority lane",
        existing_comment="goes to the urgent lane",
        existing_nullable=False,
        existing_server_default=sa.text("false"),
        schema="ops",
    )
    op.alter_column(
        "killmail_lists",
        "outcome",
        existing_type=sa.TEXT(),
        comment="of the last attempt",
        existing_comment="of the last try",
        existing_nullable=True,
        schema="ops",
    )
    op.alter_column(
        "killmail_lists",
        "failures",
        existing_type=sa.INTEGER(),
        comment="failed attempts in a row",
        existing_comment="tries failed in a row",
        existing_nullable=False,
        existing_server_default=sa.text("0"),
        schema="ops",
    )
    op.alter_column(
        "request_pace",
        "paused_until",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="no request is sent before",
        existing_comment="nobody asks before",
        existing_nullable=True,
        schema="ops",
    )
    op.create_table_comment(
        "request_pace",
        "The requests of all processes together, by service",
        existing_comment="The pace of all processes together, by service",
        schema="ops",
    )
    op.create_table_comment(
        "syncs",
        "One row for each reading of a killmail list",
        existing_comment="One row a look at somebody's killmail list",
        schema="ops",
    )
    op.alter_column(
        "alliances",
        "gone_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when ESI answered that there is no such record",
        existing_comment="when ESI said that there is no such record any more",
        existing_nullable=True,
        schema="raw",
    )
    op.create_table_comment(
        "alliances",
        "Alliances as ESI gives them today",
        existing_comment="Alliances as ESI tells them today",
        schema="raw",
    )
    op.alter_column(
        "characters",
        "gone_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when ESI answered that there is no such record",
        existing_comment="when ESI said that there is no such record any more",
        existing_nullable=True,
        schema="raw",
    )
    op.create_table_comment(
        "characters",
        "Player characters as ESI gives them today",
        existing_comment="Player characters as ESI tells today",
        schema="raw",
    )
    op.alter_column(
        "corporations",
        "gone_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when ESI answered that there is no such record",
        existing_comment="when ESI said that there is no such record any more",
        existing_nullable=True,
        schema="raw",
    )
    op.create_table_comment(
        "corporations",
        "Corporations, NPC corporations too, as ESI gives them today",
        existing_comment="Corporations, NPC corporations too, as ESI tells today",
        schema="raw",
    )
    op.create_table_comment(
        "killmail_attackers",
        "One row for each attacker of a killmail",
        existing_comment="One row an attacker of a killmail",
        schema="raw",
    )
    op.create_table_comment(
        "killmail_items",
        "One row for each item row of a killmail, contents of containers too; repeats are genuine",
        existing_comment="One row an item row of a killmail, contents of containers too; repeats are genuine",
        schema="raw",
    )
    op.create_table_comment(
        "killmails",
        "One row for each killmail; immutable",
        existing_comment="One row a killmail; immutable",
        schema="raw",
    )
    op.alter_column(
        "market_prices",
        "observed_on",
        existing_type=sa.DATE(),
        comment="the UTC day on which ESI gave it; the day's last",
        existing_comment="the UTC day on which ESI told it; the day's last",
        existing_nullable=False,
        schema="raw",
    )
    op.alter_column(
        "types",
        "gone_at",
        existing_type=postgresql.TIMESTAMP(timezone=True),
        comment="when ESI answered that there is no such record",
        existing_comment="when ESI said that there is no such record any more",
        existing_nullable=True,
        schema="raw",
    )

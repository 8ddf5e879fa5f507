"""Characters that were erased at their owners' request, and triggers that keep them erased whoever writes."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
PERSONAL = (
    "corporation_id",
    "alliance_id",
    "faction_id",
    "birthday",
    "gender",
    "race_id",
    "bloodline_id",
    "security_status",
    "corporation_title",
    "achievement_score",
    "etag",
)


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column(
            "character_id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="the character that was erased",
        ),
        sa.Column(
            "erased_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when",
        ),
        sa.Column("reason", sa.Text(), nullable=False, comment="who asked for it and why, in the operator's words"),
        sa.PrimaryKeyConstraint("character_id"),
        schema="ops",
        comment="Characters about which nothing is kept but the killmails: no source brings their names back",
    )
    emptied = " ".join(f"new.{column} := null;" for column in PERSONAL)
    is_erased = "exists (select from ops.erasures where character_id = new.{key})"
    _keep_erased(
        "characters",
        f"""
        if {is_erased.format(key="character_id")} then
            new.name := 'Erased pilot ' || new.character_id; {emptied}
        end if;
        return new;
        """,
    )
    _keep_erased(
        "entity_names",
        f"""
        if new.entity_kind = 'character' and {is_erased.format(key="entity_id")} then
            new.name := null;
        end if;
        return new;
        """,
    )
    _keep_erased(
        "character_affiliations",
        f"""
        if {is_erased.format(key="character_id")} then
            return null;
        end if;
        return new;
        """,
    )


def _keep_erased(table: str, body: str) -> None:
    op.execute(f"create function ops.keep_erased_{table}() returns trigger language plpgsql as $$ begin {body} end $$")
    op.execute(
        f"create trigger keep_erased before insert or update on raw.{table} "
        f"for each row execute function ops.keep_erased_{table}()"
    )


def downgrade() -> None:
    for table in ("characters", "entity_names", "character_affiliations"):
        op.execute(f"drop trigger keep_erased on raw.{table}")
        op.execute(f"drop function ops.keep_erased_{table}()")
    op.drop_table("erasures", schema="ops")

"""What statistics rest on: prices, the days that changed, how far the dbt models are built."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    # What dbt built of it had other columns, and dbt would only add to it.
    op.execute("drop table if exists marts.mart_corporation_daily")
    op.execute("drop view if exists intermediate.int_corporation_involvements")
    op.create_table(
        "changed_days",
        sa.Column("killmail_date", sa.Date(), nullable=False, comment="the UTC day whose statistics changed"),
        sa.Column(
            "changed_in",
            sa.BigInteger(),
            nullable=False,
            comment="the transaction (xid8) that changed it: seen by whoever sees its rows",
        ),
        sa.Column(
            "earliest",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="killmail_time of the first killmail that it wrote; absent: it wrote none",
        ),
        sa.Column("latest", sa.DateTime(timezone=True), nullable=True, comment="killmail_time of the last"),
        sa.PrimaryKeyConstraint("killmail_date", "changed_in"),
        schema="ops",
        comment="Days whose killmails, prices or static data changed: what the marts still have to rebuild",
    )
    op.create_table(
        "transform_builds",
        sa.Column("cadence", sa.Text(), nullable=False, comment="frequent or nightly: which models"),
        sa.Column(
            "snapshot", sa.Text(), nullable=False, comment="pg_snapshot: every change that it shows is in these models"
        ),
        sa.Column("as_of", sa.Date(), nullable=False, comment="the day that counted as today"),
        sa.Column("built_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("cadence"),
        schema="ops",
        comment="How far the dbt models are built; written by dbt when all models of a cadence succeeded",
    )
    op.create_table(
        "market_history",
        sa.Column("region_id", sa.BigInteger(), nullable=False),
        sa.Column("type_id", sa.BigInteger(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False, comment="the UTC day that was traded"),
        sa.Column(
            "average", sa.Numeric(precision=24, scale=2), nullable=True, comment="ISK, of what was traded that day"
        ),
        sa.Column("highest", sa.Numeric(precision=24, scale=2), nullable=True, comment="ISK"),
        sa.Column("lowest", sa.Numeric(precision=24, scale=2), nullable=True, comment="ISK"),
        sa.Column("order_count", sa.BigInteger(), nullable=True, comment="orders that were filled"),
        sa.Column("volume", sa.BigInteger(), nullable=True, comment="units"),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when the source read it from ESI; absent in files before June 2020",
        ),
        sa.PrimaryKeyConstraint("region_id", "type_id", "date"),
        schema="raw",
        comment="What was traded of a type in a region on a day, from EVE Ref's archives of ESI",
    )
    op.create_table(
        "market_prices",
        sa.Column("type_id", sa.BigInteger(), nullable=False),
        sa.Column("observed_on", sa.Date(), nullable=False, comment="the UTC day on which ESI told it; the day's last"),
        sa.Column(
            "adjusted_price", sa.Numeric(precision=24, scale=2), nullable=True, comment="ISK, CCP's own, for industry"
        ),
        sa.Column(
            "average_price",
            sa.Numeric(precision=24, scale=2),
            nullable=True,
            comment="ISK, of all regions in the last days",
        ),
        sa.PrimaryKeyConstraint("type_id", "observed_on"),
        schema="raw",
        comment="ESI's prices, kept with the day on which they were observed",
    )
    op.create_index(
        "killmail_attackers_time",
        "killmail_attackers",
        ["killmail_time"],
        unique=False,
        schema="raw",
        postgresql_using="brin",
    )
    op.create_index(
        "killmail_items_time", "killmail_items", ["killmail_time"], unique=False, schema="raw", postgresql_using="brin"
    )
    op.create_index(
        "killmails_time", "killmails", ["killmail_time"], unique=False, schema="raw", postgresql_using="brin"
    )

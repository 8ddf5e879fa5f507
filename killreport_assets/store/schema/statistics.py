"""The tables that only statistics rest on, as SQLAlchemy Core: prices, the days that changed, how far dbt has built."""

import sqlalchemy as sa

from killreport_assets.store.schema.columns import bigint, isk, metadata, text, time

market_history = sa.Table(
    "market_history",
    metadata,
    bigint("region_id", required=True),
    bigint("type_id", required=True),
    sa.Column("date", sa.Date, nullable=False, comment="the UTC day that was traded"),
    isk("average", "of what was traded that day"),
    isk("highest"),
    isk("lowest"),
    bigint("order_count", "orders that were filled"),
    bigint("volume", "units"),
    time("observed_at", "when the source read it from ESI; absent in files before June 2020"),
    sa.PrimaryKeyConstraint("region_id", "type_id", "date"),
    schema="raw",
    comment="What was traded of a type in a region on a day, from EVE Ref's archives of ESI",
)

market_prices = sa.Table(
    "market_prices",
    metadata,
    bigint("type_id", required=True),
    sa.Column("observed_on", sa.Date, nullable=False, comment="the UTC day on which ESI gave it; the day's last"),
    isk("adjusted_price", "CCP's own, for industry"),
    isk("average_price", "of all regions in the last days"),
    sa.PrimaryKeyConstraint("type_id", "observed_on"),
    schema="raw",
    comment="ESI's prices, kept with the day on which they were observed",
)

changed_days = sa.Table(
    "changed_days",
    metadata,
    sa.Column("killmail_date", sa.Date, nullable=False, comment="the UTC day whose statistics changed"),
    bigint("changed_in", "the transaction (xid8) that changed it: visible wherever its rows are", required=True),
    time("earliest", "killmail_time of the first killmail that it wrote; absent: it wrote none"),
    time("latest", "killmail_time of the last"),
    time("changed_at", "when that transaction began", required=True, now=True),
    sa.PrimaryKeyConstraint("killmail_date", "changed_in"),
    schema="ops",
    comment="Days whose killmails, prices or static data changed: what the marts still have to rebuild",
)

transform_builds = sa.Table(
    "transform_builds",
    metadata,
    sa.Column("cadence", sa.Text, primary_key=True, comment="frequent or nightly: which models"),
    text("snapshot", "pg_snapshot: every change that it shows is in these models", required=True),
    sa.Column("as_of", sa.Date, nullable=False, comment="the day that counted as today"),
    sa.Column("definitions", sa.Integer, comment="changes of definitions that they have; null: an older release's"),
    time("built_at", "when that build ended", required=True, now=True),
    schema="ops",
    comment="How far the dbt models are built; written by dbt when all models of a cadence succeeded",
)

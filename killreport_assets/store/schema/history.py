"""The tables of EVE's history by day: what other services have of each day, what is stored, what is missing."""

import sqlalchemy as sa

from killreport_assets.store.schema.columns import bigint, id_key, metadata, text, time

DAY_STATES = ("listed", "loaded", "incomplete")


def _count(name: str, comment: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, server_default="0", comment=comment)


history_days = sa.Table(
    "history_days",
    metadata,
    sa.Column("killmail_date", sa.Date, primary_key=True, comment="the day in UTC"),
    sa.Column("everef_total", sa.Integer, comment="killmails of the day in EVE Ref's totals"),
    sa.Column("zkillboard_total", sa.Integer, comment="killmails of the day in zKillboard's totals"),
    _count("stored", "killmails of the day that are stored, when they were last counted"),
    _count("rejected", "killmails of its archive that could not be stored, at the last loading"),
    _count("late", "killmails that its archive brought after the first loading"),
    text("etag", "version of the archive that was loaded last"),
    bigint("bytes", "size of that archive"),
    time("loaded_at", "when an archive of the day was last loaded"),
    time("counted_at", "when the day's stored killmails were last counted"),
    text(
        "state", "listed: not loaded yet; loaded: as whole as EVE Ref's archive; incomplete: see reason", required=True
    ),
    text("reason", "why it is incomplete"),
    sa.CheckConstraint(f"state in {DAY_STATES}", name="history_days_state"),
    schema="ops",
    comment="One row for each day of EVE's history: what EVE Ref and zKillboard have of it, and what is stored",
)

missing_killmails = sa.Table(
    "missing_killmails",
    metadata,
    id_key("killmail_id"),
    sa.Column("killmail_date", sa.Date, nullable=False, comment="the day in UTC, as the list says"),
    text("killmail_hash", required=True),
    text("listed_by", "zkillboard: whose list names it", required=True),
    time("found_at", "when it was found to be missing", required=True, now=True),
    text("reason", "why it is missing for good, as ESI says; null: it has been requested"),
    sa.Index("missing_killmails_date", "killmail_date"),
    schema="ops",
    comment="Killmails that a day's list names and that are not stored",
)

HISTORY_TABLES = (history_days, missing_killmails)

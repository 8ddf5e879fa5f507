"""The tables of sovereignty campaigns: fights over structures that give sovereignty."""

import sqlalchemy as sa

from killreport_assets.store.schema.columns import bigint, id_key, metadata, real, text, time

sovereignty_campaigns = sa.Table(
    "sovereignty_campaigns",
    metadata,
    id_key("campaign_id", "the campaign"),
    text("event_type", "tcu_defense, ihub_defense, station_defense or station_freeport", required=True),
    bigint("solar_system_id", "where the structure is", required=True),
    bigint("constellation_id", "where it is fought", required=True),
    bigint("structure_id", "the structure", required=True),
    time("start_time", "when it begins", required=True),
    bigint("defender_id", "the alliance that defends; null: a freeport"),
    real("defender_score", "the defender's score, 0 to 1, as last observed"),
    real("attackers_score", "the score of all attackers, 0 to 1, as last observed"),
    time("observed_at", "when ESI last listed it", required=True),
    time("ended_at", "when ESI first did not list it any more; null: it goes on"),
    schema="raw",
    comment="One row for each sovereignty campaign that ESI has listed while we looked",
)

sovereignty_participants = sa.Table(
    "sovereignty_participants",
    metadata,
    id_key("campaign_id", "the campaign"),
    id_key("alliance_id"),
    real("score", "its score, 0 to 1, as last observed", required=True),
    schema="raw",
    comment="One row for each alliance that fights for a station in freeport",
)

SOVEREIGNTY_TABLES = (sovereignty_campaigns, sovereignty_participants)

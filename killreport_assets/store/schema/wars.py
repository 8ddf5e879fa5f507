"""The tables of wars: who declared which war on whom, and their allies."""

import sqlalchemy as sa

from killreport_assets.store.schema.columns import bigint, flag, id_key, isk, metadata, text, time


def _side(side: str) -> list[sa.Column[object]]:
    return [
        bigint(f"{side}_corporation_id", f"the {side}, if it is a corporation"),
        bigint(f"{side}_alliance_id", f"the {side}, if it is an alliance"),
        isk(f"{side}_isk_destroyed", f"what the {side} destroyed, as ESI counts it"),
        bigint(f"{side}_ships_killed", f"ships that the {side} killed, as ESI counts them"),
    ]


wars = sa.Table(
    "wars",
    metadata,
    id_key("war_id", "the war"),
    time("declared", "when it was declared", required=True),
    time("started", "when shooting was allowed"),
    time("retracted", "when it was retracted; shooting goes on until it is finished"),
    time("finished", "when shooting was no longer allowed; null: it goes on"),
    flag("mutual", "whether both sides want it"),
    flag("open_for_allies", "whether the defender takes allies"),
    *_side("aggressor"),
    *_side("defender"),
    text("source", "everef or esi: where the last observation is from", required=True),
    time("observed_at", "when ESI said so; the last observation wins", required=True),
    schema="raw",
    comment="One row for each war",
)

war_allies = sa.Table(
    "war_allies",
    metadata,
    id_key("war_id", "the war"),
    sa.Column("entity_kind", sa.Text, primary_key=True, comment="corporation or alliance"),
    id_key("entity_id", "the defender's ally"),
    schema="raw",
    comment="One row for each ally of a war's defender",
)

WAR_TABLES = (wars, war_allies)

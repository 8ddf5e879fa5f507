"""The tables of entities and of CCP's static data: who and what killmails mention."""

from typing import Any

import sqlalchemy as sa

from killreport_assets.models.ids import EntityKind
from killreport_assets.store.schema.columns import bigint, flag, id_key, metadata, real, text, time


def _dimension(name: str, key: str, *columns: sa.Column[Any], comment: str) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        id_key(key),
        *columns,
        schema="raw",
        comment=comment,
    )


def _fetched() -> tuple[sa.Column[Any], ...]:
    return (
        text("source", "esi or sde", required=True),
        text("etag", "ESI's, for If-None-Match"),
        time("fetched_at", "when this body was last known to be current", required=True, now=True),
        time("gone_at", "when ESI answered that there is no such record"),
        time(
            "known_since",
            "when this row was first stored; killmails stored later need not ask for it",
            required=True,
            now=True,
        ),
    )


alliances = _dimension(
    "alliances",
    "alliance_id",
    text("name"),
    text("ticker"),
    bigint("creator_id"),
    bigint("creator_corporation_id", "the corporation that founded it"),
    bigint("executor_corporation_id", "the corporation that leads it; absent: closed"),
    bigint("faction_id", "the militia in which it fights"),
    time("date_founded"),
    time("closed_at", "when it was first seen without any corporation"),
    *_fetched(),
    comment="Alliances as ESI gives them today",
)
corporations = _dimension(
    "corporations",
    "corporation_id",
    text("name"),
    text("ticker"),
    bigint("alliance_id", "the alliance of which it is a member today"),
    bigint("ceo_id", "the character that leads it"),
    bigint("creator_id"),
    bigint("enlisted_faction_id", "the militia in which it fights"),
    bigint("home_station_id", "its home station"),
    bigint("member_count", "members today"),
    text("state", "active or closed"),
    text("type", "player_owned or npc_owned"),
    time("date_founded"),
    real("tax_rate_isk", "percent, 0 to 100"),
    real("tax_rate_loyalty_point", "percent"),
    flag("war_eligible", "whether wars may be declared on it"),
    text("url", "its web page, as its members wrote it"),
    *_fetched(),
    comment="Corporations, NPC corporations too, as ESI gives them today",
)
characters = _dimension(
    "characters",
    "character_id",
    text("name"),
    bigint("corporation_id", "today's; never join it onto old killmails"),
    bigint("alliance_id", "today's"),
    bigint("faction_id", "the militia in which it fights"),
    time("birthday", "when it was created"),
    text("gender", "female or male"),
    bigint("race_id", "the race"),
    bigint("bloodline_id", "the bloodline"),
    real("security_status", "-10 to 10, today's"),
    text("corporation_title", "the title that its corporation gave it"),
    bigint("achievement_score", "points for achievements"),
    *_fetched(),
    comment="Player characters as ESI gives them today",
)
types = _dimension(
    "types",
    "type_id",
    text("name"),
    bigint("group_id"),
    flag("published"),
    bigint("market_group_id"),
    bigint("meta_group_id"),
    bigint("variation_parent_type_id", "the Tech I type of which it is a variant"),
    real("volume", "m3"),
    real("packaged_volume", "m3"),
    real("mass", "kg"),
    real("capacity", "m3"),
    bigint("portion_size", "units of a batch that is built or refined"),
    real("meta_level", "dogma 633"),
    real("rig_size", "dogma 1547"),
    real("heat_damage", "dogma 1211"),
    real("tech_level", "dogma 422"),
    *_fetched(),
    comment="Item types from the static data; the newest from ESI",
)
entity_names = sa.Table(
    "entity_names",
    metadata,
    text("entity_kind", "alliance, corporation, character or type", required=True),
    bigint("entity_id", required=True),
    text("name", "absent: ESI cannot name it (yet)"),
    time("asked_at", "when ESI was last asked", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="raw",
    comment="Names that came in bulk, before the bodies; where there is a body, its name counts",
)
alliance_corporations = sa.Table(
    "alliance_corporations",
    metadata,
    bigint("alliance_id", required=True),
    bigint("corporation_id", required=True),
    time("listed_at", "when ESI last listed it", required=True, now=True),
    sa.PrimaryKeyConstraint("alliance_id", "corporation_id"),
    schema="raw",
    comment="The corporations of each alliance, as ESI lists them today",
)
character_affiliations = sa.Table(
    "character_affiliations",
    metadata,
    bigint("character_id", required=True),
    time("valid_from", "when it was first seen so; it may have begun earlier", required=True),
    time("valid_to", "when another was first seen; absent: today's"),
    bigint("corporation_id", required=True),
    bigint("alliance_id"),
    bigint("faction_id"),
    time("confirmed_at", "when it was last seen so", required=True),
    time("learnt_at", "when this row was written", required=True, now=True),
    sa.PrimaryKeyConstraint("character_id", "valid_from"),
    sa.Index("character_affiliations_today", "character_id", unique=True, postgresql_where=sa.text("valid_to is null")),
    schema="raw",
    comment="Who belonged to which corporation and alliance, as far as we have looked",
)
groups = _dimension(
    "groups",
    "group_id",
    text("name"),
    bigint("category_id"),
    flag("published"),
    comment="Item groups",
)
categories = _dimension("categories", "category_id", text("name"), flag("published"), comment="Item categories")
market_groups = _dimension(
    "market_groups",
    "market_group_id",
    text("name"),
    bigint("parent_group_id", "the group above; absent: the top"),
    comment="The market's tree",
)
meta_groups = _dimension("meta_groups", "meta_group_id", text("name"), comment="Tech I, Tech II, Faction, ...")
systems = _dimension(
    "systems",
    "system_id",
    text("name"),
    bigint("constellation_id"),
    bigint("region_id"),
    real("security_status", "full precision"),
    real("position_x", "metres, from west to east on a map"),
    real("position_z", "metres, from south to north on a map"),
    comment="Solar systems",
)
stargates = sa.Table(
    "stargates",
    metadata,
    bigint("system_id", required=True),
    bigint("destination_system_id", "the solar system that the stargate leads to", required=True),
    sa.PrimaryKeyConstraint("system_id", "destination_system_id"),
    schema="raw",
    comment="Which solar systems are a stargate apart, both ways",
)
constellations = _dimension(
    "constellations",
    "constellation_id",
    text("name"),
    bigint("region_id"),
    comment="Constellations",
)
regions = _dimension("regions", "region_id", text("name"), comment="Regions")
factions = _dimension("factions", "faction_id", text("name"), comment="NPC factions")
inventory_flags = _dimension(
    "inventory_flags",
    "flag_id",
    text("name", "CCP's name of the slot or bay"),
    text("text", "the same in words"),
    comment="Slots and bays; not in CCP's static data, and genuine killmails have further ones",
)
blueprint_materials = sa.Table(
    "blueprint_materials",
    metadata,
    bigint("product_type_id", "what is manufactured", required=True),
    bigint("material_type_id", "what it is made of", required=True),
    bigint("quantity", "units of the material for one run of the blueprint", required=True),
    bigint("product_quantity", "units of the product of one run", required=True),
    sa.PrimaryKeyConstraint("product_type_id", "material_type_id"),
    schema="raw",
    comment="What types are manufactured from, by their blueprints without any research",
)

# ---- ops --------------------------------------------------------------------------------------------------------

DIMENSIONS: dict[EntityKind, sa.Table] = {
    EntityKind.ALLIANCE: alliances,
    EntityKind.CORPORATION: corporations,
    EntityKind.CHARACTER: characters,
    EntityKind.TYPE: types,
}
"""The tables that work queues fill, by the kind of entity."""

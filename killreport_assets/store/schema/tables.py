"""Every table of raw, ops and derived by name: `tables.killmails`. The declarations are in the modules beside it.

`raw` holds facts as the sources tell them, `ops` how they came here, `derived` what Python finds in them. The
migrations create what is declared here (a test compares them); queries live with what asks them. Every id is a bigint:
ESI says int64 for all of them.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from killreport_assets.store.schema.battles import BATTLE_TABLES, former_battles
from killreport_assets.store.schema.dimensions import (
    DIMENSIONS,
    alliance_corporations,
    alliances,
    blueprint_materials,
    categories,
    character_affiliations,
    characters,
    constellations,
    corporations,
    entity_names,
    factions,
    groups,
    inventory_flags,
    market_groups,
    meta_groups,
    regions,
    stargates,
    systems,
    types,
)
from killreport_assets.store.schema.history import history_days, missing_killmails
from killreport_assets.store.schema.killmails import (
    KILLMAIL_TABLES,
    killmail_attackers,
    killmail_items,
    killmails,
    zkillboard_values,
)
from killreport_assets.store.schema.operations import (
    dead_letters,
    enrichments,
    entity_pending,
    erasures,
    feed_cursors,
    feed_failures,
    feed_gaps,
    followed,
    origin,
    rejected_killmails,
    request_clocks,
    request_pace,
    request_tokens,
    request_totals,
    source_versions,
    suspect_messages,
    syncs,
)
from killreport_assets.store.schema.sovereignty import sovereignty_campaigns, sovereignty_participants
from killreport_assets.store.schema.wars import war_allies, wars

__all__ = [
    "BATTLE_TABLES",
    "DIMENSIONS",
    "KILLMAIL_TABLES",
    "alliance_corporations",
    "alliances",
    "among",
    "blueprint_materials",
    "categories",
    "character_affiliations",
    "characters",
    "constellations",
    "corporations",
    "dead_letters",
    "enrichments",
    "entity_names",
    "entity_pending",
    "erasures",
    "factions",
    "feed_cursors",
    "feed_failures",
    "feed_gaps",
    "followed",
    "former_battles",
    "groups",
    "history_days",
    "inventory_flags",
    "killmail_attackers",
    "killmail_items",
    "killmails",
    "market_groups",
    "meta_groups",
    "missing_killmails",
    "origin",
    "regions",
    "rejected_killmails",
    "request_clocks",
    "request_pace",
    "request_tokens",
    "request_totals",
    "source_versions",
    "sovereignty_campaigns",
    "sovereignty_participants",
    "stargates",
    "suspect_messages",
    "syncs",
    "systems",
    "types",
    "war_allies",
    "wars",
    "zkillboard_values",
]


def among(column: sa.Column[Any], ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """The condition that a bigint column holds one of these ids, as one parameter however many they are."""
    return column == sa.any_(sa.cast(list(ids), ARRAY(sa.BigInteger)))

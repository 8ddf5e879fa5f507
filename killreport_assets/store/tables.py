"""The tables of schemas raw and ops, as SQLAlchemy Core: columns, keys, comments. Others beside it.

Those about users are in user_tables.py, what only statistics rest on in statistics_tables.py. `raw` holds facts as the
sources tell them, `ops` how they came here. The migrations create what is described here (a test compares them);
queries live with what asks them. Every id is a bigint: ESI says int64 for all of them.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from killreport_assets.store.columns import bigint, flag, metadata, real, text, time


def _monthly(name: str, key: tuple[str, ...], *columns: sa.Column[Any], comment: str) -> sa.Table:
    """A killmail table: range-partitioned by month of killmail_time, partitions made by the writer."""
    return sa.Table(
        name, metadata, *columns, sa.PrimaryKeyConstraint(*key),
        # Rows come roughly in the order of their time: a few kilobytes tell where a day's are.
        sa.Index(f"{name}_time", "killmail_time", postgresql_using="brin"),
        schema="raw", comment=comment, postgresql_partition_by="RANGE (killmail_time)",
    )  # fmt: skip


killmails = _monthly(
    "killmails", ("killmail_id", "killmail_time"),
    bigint("killmail_id", "CCP's id; grows roughly with time", required=True),
    time("killmail_time", "when the victim was killed, UTC; to the minute before November 2015", required=True),
    text("killmail_hash", "40 hex digits; computable from victim, final blow, hull and time"),
    bigint("solar_system_id", "where it happened", required=True),
    bigint("moon_id", "the moon, if the kill took place at one"),
    bigint("war_id", "the war, if it belongs to one"),
    bigint("victim_character_id", "absent for structures"),
    bigint("victim_corporation_id"),
    bigint("victim_alliance_id"),
    bigint("victim_faction_id"),
    bigint("victim_ship_type_id", "the hull that was lost", required=True),
    bigint("victim_damage_taken", required=True),
    real("position_x", "metres from the sun; absent before November 2015"),
    real("position_y"),
    real("position_z"),
    text("source", "r2z2, zkillboard, everef or esi: who brought it first", required=True),
    time("stored_at", "when it was stored here", required=True, now=True),
    comment="One row a killmail; immutable",
)  # fmt: skip

killmail_attackers = _monthly(
    "killmail_attackers", ("killmail_id", "attacker_index", "killmail_time"),
    bigint("killmail_id", required=True),
    time("killmail_time", required=True),
    sa.Column("attacker_index", sa.Integer, nullable=False, comment="place in the killmail's list: the only identity"),
    bigint("character_id", "absent for NPCs and for players' structures"),
    bigint("corporation_id"),
    bigint("alliance_id"),
    bigint("faction_id"),
    bigint("ship_type_id"),
    bigint("weapon_type_id", "may be the hull"),
    bigint("damage_done", required=True),
    sa.Column("final_blow", sa.Boolean, nullable=False, comment="true for exactly one attacker of a killmail"),
    real("security_status", "-10 to 5"),
    comment="One row an attacker of a killmail",
)  # fmt: skip

killmail_items = _monthly(
    "killmail_items", ("killmail_id", "item_index", "killmail_time"),
    bigint("killmail_id", required=True),
    time("killmail_time", required=True),
    sa.Column("item_index", sa.Integer, nullable=False, comment="place in the killmail, containers before contents"),
    sa.Column("parent_index", sa.Integer, comment="item_index of the container that it was in"),
    bigint("item_type_id", required=True),
    bigint("flag", "slot or bay: raw.inventory_flags; 0 before May 2012", required=True),
    bigint("singleton", "2: blueprint copy", required=True),
    bigint("quantity_destroyed"),
    bigint("quantity_dropped"),
    comment="One row an item row of a killmail, contents of containers too; repeats are genuine",
)  # fmt: skip

zkillboard_values = sa.Table(
    "zkillboard_values", metadata,
    sa.Column("killmail_id", sa.BigInteger, primary_key=True, autoincrement=False),
    time("observed_at", "upload time of the feed, fetch time of a list; the last observation wins", required=True),
    text("killmail_hash"),
    bigint("location_id", "nearest celestial"),
    real("fitted_value", "ISK"),
    real("dropped_value", "ISK"),
    real("destroyed_value", "ISK"),
    real("total_value", "ISK"),
    real("total_droppable_value", "ISK"),
    sa.Column("points", sa.Integer),
    flag("npc"), flag("solo"), flag("awox"),
    sa.Column("labels", ARRAY(sa.Text)),
    sa.Column("attacker_count", sa.Integer),
    schema="raw", comment="What zKillboard says of a killmail: its own prices, flags and labels",
)  # fmt: skip


def _dimension(name: str, key: str, *columns: sa.Column[Any], comment: str) -> sa.Table:
    return sa.Table(
        name, metadata, sa.Column(key, sa.BigInteger, primary_key=True, autoincrement=False), *columns,
        schema="raw", comment=comment,
    )  # fmt: skip


def _fetched() -> tuple[sa.Column[Any], ...]:
    return (
        text("source", "esi or sde", required=True),
        text("etag", "ESI's, for If-None-Match"),
        time("fetched_at", "when this body was last known to be current", required=True, now=True),
        time("gone_at", "when ESI said that there is no such record any more"),
        time("known_since", "when this row was first stored; killmails stored later need not ask for it",
              required=True, now=True),
    )  # fmt: skip


alliances = _dimension(
    "alliances", "alliance_id", text("name"), text("ticker"),
    bigint("creator_id"), bigint("creator_corporation_id"), bigint("executor_corporation_id"), bigint("faction_id"),
    time("date_founded"), time("closed_at", "when it was first seen without any corporation"),
    *_fetched(), comment="Alliances as ESI tells them today",
)  # fmt: skip
corporations = _dimension(
    "corporations", "corporation_id", text("name"), text("ticker"),
    bigint("alliance_id"), bigint("ceo_id"), bigint("creator_id"), bigint("enlisted_faction_id"),
    bigint("home_station_id"), bigint("member_count"), text("state", "active or closed"),
    text("type", "player_owned or npc_owned"), time("date_founded"), real("tax_rate_isk", "percent, 0 to 100"),
    real("tax_rate_loyalty_point", "percent"),
    flag("war_eligible"), text("url"), *_fetched(), comment="Corporations, NPC corporations too, as ESI tells today",
)  # fmt: skip
characters = _dimension(
    "characters", "character_id", text("name"),
    bigint("corporation_id", "today's; never join it onto old killmails"), bigint("alliance_id"), bigint("faction_id"),
    time("birthday"), text("gender"), bigint("race_id"), bigint("bloodline_id"), real("security_status"),
    text("corporation_title"), bigint("achievement_score"), *_fetched(), comment="Player characters as ESI tells today",
)  # fmt: skip
types = _dimension(
    "types", "type_id", text("name"), bigint("group_id"), flag("published"), bigint("market_group_id"),
    bigint("meta_group_id"), bigint("variation_parent_type_id"), real("volume", "m3"), real("packaged_volume", "m3"),
    real("mass", "kg"), real("capacity", "m3"), bigint("portion_size"),
    real("meta_level", "dogma 633"), real("rig_size", "dogma 1547"), real("heat_damage", "dogma 1211"),
    real("tech_level", "dogma 422"), *_fetched(), comment="Item types from the static data; the newest from ESI",
)  # fmt: skip
entity_names = sa.Table(
    "entity_names", metadata,
    text("entity_kind", "alliance, corporation, character or type", required=True),
    bigint("entity_id", required=True),
    text("name", "absent: ESI cannot name it (yet)"),
    time("asked_at", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="raw", comment="Names that came in bulk, before the bodies; where there is a body, its name counts",
)  # fmt: skip
alliance_corporations = sa.Table(
    "alliance_corporations", metadata,
    bigint("alliance_id", required=True), bigint("corporation_id", required=True),
    time("listed_at", "when ESI last listed it", required=True, now=True),
    sa.PrimaryKeyConstraint("alliance_id", "corporation_id"),
    schema="raw", comment="The corporations of each alliance, as ESI lists them today",
)  # fmt: skip
character_affiliations = sa.Table(
    "character_affiliations", metadata,
    bigint("character_id", required=True),
    time("valid_from", "when it was first seen so; it may have begun earlier", required=True),
    time("valid_to", "when another was first seen; absent: today's"),
    bigint("corporation_id", required=True), bigint("alliance_id"), bigint("faction_id"),
    time("confirmed_at", "when it was last seen so", required=True),
    time("learnt_at", "when this row was written", required=True, now=True),
    sa.PrimaryKeyConstraint("character_id", "valid_from"),
    sa.Index("character_affiliations_today", "character_id", unique=True, postgresql_where=sa.text("valid_to is null")),
    schema="raw", comment="Who belonged to which corporation and alliance, as far as we have looked",
)  # fmt: skip
groups = _dimension(
    "groups", "group_id", text("name"), bigint("category_id"), flag("published"), comment="Item groups",
)  # fmt: skip
categories = _dimension("categories", "category_id", text("name"), flag("published"), comment="Item categories")
market_groups = _dimension(
    "market_groups", "market_group_id", text("name"), bigint("parent_group_id"), comment="The market's tree",
)  # fmt: skip
meta_groups = _dimension("meta_groups", "meta_group_id", text("name"), comment="Tech I, Tech II, Faction, ...")
systems = _dimension(
    "systems", "system_id", text("name"), bigint("constellation_id"), bigint("region_id"),
    real("security_status", "full precision"), comment="Solar systems",
)  # fmt: skip
constellations = _dimension(
    "constellations", "constellation_id", text("name"), bigint("region_id"), comment="Constellations",
)  # fmt: skip
regions = _dimension("regions", "region_id", text("name"), comment="Regions")
factions = _dimension("factions", "faction_id", text("name"), comment="NPC factions")
inventory_flags = _dimension(
    "inventory_flags", "flag_id", text("name"), text("text"),
    comment="Slots and bays; not in CCP's static data, and genuine killmails have further ones",
)  # fmt: skip

# ---- ops --------------------------------------------------------------------------------------------------------

origin = sa.Table(
    "origin", metadata,
    sa.Column("only_row", sa.Boolean, sa.CheckConstraint("only_row"), primary_key=True),
    text("origin", "sandbox or live", required=True),
    schema="ops", comment="What this database was made for",
)  # fmt: skip

rejected_killmails = sa.Table(
    "rejected_killmails", metadata,
    text("fingerprint", "sha256 of source, body and hash: the same rejection is kept once", required=True),
    bigint("killmail_id", "when the body had a readable one"),
    text("killmail_hash"),
    text("source", required=True),
    text("reason", required=True),
    text("body", "as received", required=True),
    time("rejected_at", required=True, now=True),
    sa.PrimaryKeyConstraint("fingerprint"),
    schema="ops", comment="Killmails that could not be stored, with the reason",
)  # fmt: skip

entity_pending = sa.Table(
    "entity_pending", metadata,
    text("entity_kind", "the kind of a work queue's messages: character, alliance_corporations, ...", required=True),
    bigint("entity_id", required=True),
    time("first_seen", required=True, now=True),
    time("claimed_at", "when somebody took it to publish it; expires in minutes"),
    time("published_at", "when its message was confirmed; expires in a day"),
    time("dead_at", "when its message died; it is not published again until somebody replays it"),
    sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="goes to the urgent lane"),
    sa.Column("is_known", sa.Boolean, nullable=False, server_default=sa.text("false"),
              comment="its body is stored already, it is only stale"),
    text("hash", "of a killmail that is known by id and hash only"),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    sa.Index("entity_pending_free", "urgent", "first_seen",
             postgresql_where=sa.text("published_at is null and dead_at is null")),
    schema="ops", comment="Work that a queue is still to do, by its message's kind: each is published once",
)  # fmt: skip

enrichments = sa.Table(
    "enrichments", metadata,
    text("entity_kind", required=True),
    bigint("entity_id", required=True),
    bigint("killmail_id", "the killmail that caused it", required=True),
    sa.Column("roles", ARRAY(sa.Text), nullable=False, comment="victim, attacker, final_blow, ship, weapon, item"),
    time("requested_at", required=True, now=True),
    time("enriched_at", "when the entity's body was stored"),
    text("publishing_run", "Dagster run that published the message"),
    text("consuming_run", "Dagster run that fetched the entity"),
    text("queue", "work queue that carried it"),
    text("message_id", "the message's natural key"),
    sa.Column("attempts", sa.Integer, comment="tries of the message that settled it"),
    text("outcome", "pending, stored, gone or dead", required=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id", "killmail_id"),
    sa.Index("enrichments_killmail", "killmail_id"),
    schema="ops", comment="Which killmail caused which entity to be fetched",
)  # fmt: skip

dead_letters = sa.Table(
    "dead_letters", metadata,
    sa.Column("dead_letter_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    text("fingerprint", "sha256 of queue, attempts and body: the same death is kept once", required=True),
    text("queue", required=True),
    text("message_id"),
    text("body", "the message as received", required=True),
    text("reason", "why nothing more is tried", required=True),
    text("error", required=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    time("first_failed_at", required=True),
    time("died_at", "when it failed for the last time", required=True, now=True),
    text("run_id"),
    time("replayed_at", "when it was published again; a death after that takes this back"),
    sa.UniqueConstraint("fingerprint", name="dead_letters_once"),
    schema="ops", comment="Messages that nothing more is tried with",
)  # fmt: skip

feed_cursors = sa.Table(
    "feed_cursors", metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    bigint("next_sequence", "the first entry that has not been handled", required=True),
    time("moved_at", required=True, now=True),
    bigint("head_sequence", "the newest entry that the feed was seen to have"),
    time("head_seen_at"),
    schema="ops", comment="How far each feed has been followed",
)  # fmt: skip

feed_gaps = sa.Table(
    "feed_gaps", metadata,
    text("feed", required=True),
    bigint("first_sequence", required=True),
    bigint("last_sequence", required=True),
    time("found_at", required=True, now=True),
    sa.PrimaryKeyConstraint("feed", "first_sequence"),
    schema="ops", comment="Entries that had expired before they were read: load those days from the archives",
)  # fmt: skip

source_versions = sa.Table(
    "source_versions", metadata,
    text("source", required=True),
    text("part", "a day of an archive, a build of the static data", required=True),
    text("version", "etag or build number of what was read last", required=True),
    time("read_at", required=True, now=True),
    sa.PrimaryKeyConstraint("source", "part"),
    schema="ops", comment="What was read of each source's files, so that nothing is read twice unchanged",
)  # fmt: skip

syncs = sa.Table(
    "syncs", metadata,
    sa.Column("sync_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    text("source", required=True),
    text("subject", "who or what was listed", required=True),
    time("started_at", required=True),
    real("seconds"),
    sa.Column("listed", sa.Integer), sa.Column("stored", sa.Integer),
    sa.Column("queued", sa.Integer), sa.Column("skipped", sa.Integer),
    text("outcome", required=True),
    text("run_id"),
    bigint("character_id", "whose sign-in was used"),
    schema="ops", comment="One row a look at somebody's killmail list",
)  # fmt: skip

followed = sa.Table(
    "followed", metadata,
    text("entity_kind", "character, corporation or alliance", required=True),
    bigint("entity_id", required=True),
    time("followed_at", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="ops", comment="Whose killmails the operator wants listed on zKillboard regularly",
)  # fmt: skip

request_pace = sa.Table(
    "request_pace", metadata,
    sa.Column("service", sa.Text, primary_key=True, comment="esi, zkillboard, r2z2; esi:group for a bucket"),
    time("next_at", "the earliest time of the next request that may be granted", required=True),
    time("paused_until", "nobody asks before"),
    text("pause_reason"),
    schema="ops", comment="The pace of all processes together, by service",
)  # fmt: skip

request_tokens = sa.Table(
    "request_tokens", metadata,
    text("bucket", "rate limit group, and whose", required=True),
    time("spent_in", "the second in which they were spent", required=True),
    bigint("tokens", "the most they can cost until their answers are known", required=True),
    sa.Column("unsettled", sa.BigInteger, nullable=False, server_default=sa.text("0"),
              comment="requests whose answers are not known"),
    sa.PrimaryKeyConstraint("bucket", "spent_in"),
    schema="ops", comment="Tokens spent in the floating window of each bucket",
)  # fmt: skip

request_totals = sa.Table(
    "request_totals", metadata,
    text("service", required=True),
    text("bucket", required=True),
    sa.Column("day", sa.Date, nullable=False),
    bigint("requests", required=True),
    bigint("tokens", required=True),
    bigint("errors", required=True),
    sa.PrimaryKeyConstraint("service", "bucket", "day"),
    schema="ops", comment="Requests, tokens and errors by service, bucket and UTC day",
)  # fmt: skip


def among(column: sa.Column[Any], ids: Sequence[int]) -> sa.ColumnElement[bool]:
    """The condition that a bigint column holds one of these ids, as one parameter however many they are."""
    return column == sa.any_(sa.cast(list(ids), ARRAY(sa.BigInteger)))


KILLMAIL_TABLES = (killmails, killmail_attackers, killmail_items, zkillboard_values)
DIMENSIONS: dict[str, sa.Table] = {
    "alliance": alliances, "corporation": corporations, "character": characters, "type": types,
}  # fmt: skip

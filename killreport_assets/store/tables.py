"""Every table of schemas raw and ops, as SQLAlchemy Core: columns, keys, comments.

`raw` holds facts as the sources tell them, `ops` how they came here. The migrations create what is described here
(a test compares them); queries live with what asks them. Every id is a bigint: ESI says int64 for all of them.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

metadata = sa.MetaData()

Timestamp = sa.DateTime(timezone=True)


def _id(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.BigInteger, nullable=not required, comment=comment)


def _text(name: str, comment: str | None = None, *, required: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text, nullable=not required, comment=comment)


def _real(name: str, comment: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Double, comment=comment)


def _time(name: str, comment: str | None = None, *, required: bool = False, now: bool = False) -> sa.Column[Any]:
    default = sa.text("now()") if now else None
    return sa.Column(name, Timestamp, nullable=not required, server_default=default, comment=comment)


def _flag(name: str, comment: str | None = None) -> sa.Column[Any]:
    return sa.Column(name, sa.Boolean, comment=comment)


def _monthly(name: str, key: tuple[str, ...], *columns: sa.Column[Any], comment: str) -> sa.Table:
    """A killmail table: range-partitioned by month of killmail_time, partitions made by the writer."""
    return sa.Table(
        name, metadata, *columns, sa.PrimaryKeyConstraint(*key), schema="raw", comment=comment,
        postgresql_partition_by="RANGE (killmail_time)",
    )  # fmt: skip


killmails = _monthly(
    "killmails", ("killmail_id", "killmail_time"),
    _id("killmail_id", "CCP's id; grows roughly with time", required=True),
    _time("killmail_time", "when the victim was killed, UTC; to the minute before November 2015", required=True),
    _text("killmail_hash", "40 hex digits; computable from victim, final blow, hull and time"),
    _id("solar_system_id", "where it happened", required=True),
    _id("moon_id", "the moon, if the kill took place at one"),
    _id("war_id", "the war, if it belongs to one"),
    _id("victim_character_id", "absent for structures"),
    _id("victim_corporation_id"),
    _id("victim_alliance_id"),
    _id("victim_faction_id"),
    _id("victim_ship_type_id", "the hull that was lost", required=True),
    _id("victim_damage_taken", required=True),
    _real("position_x", "metres from the sun; absent before November 2015"),
    _real("position_y"),
    _real("position_z"),
    _text("source", "r2z2, zkillboard, everef or esi: who brought it first", required=True),
    _time("stored_at", "when it was stored here", required=True, now=True),
    comment="One row a killmail; immutable",
)  # fmt: skip

killmail_attackers = _monthly(
    "killmail_attackers", ("killmail_id", "attacker_index", "killmail_time"),
    _id("killmail_id", required=True),
    _time("killmail_time", required=True),
    sa.Column("attacker_index", sa.Integer, nullable=False, comment="place in the killmail's list: the only identity"),
    _id("character_id", "absent for NPCs and for players' structures"),
    _id("corporation_id"),
    _id("alliance_id"),
    _id("faction_id"),
    _id("ship_type_id"),
    _id("weapon_type_id", "may be the hull"),
    _id("damage_done", required=True),
    sa.Column("final_blow", sa.Boolean, nullable=False, comment="true for exactly one attacker of a killmail"),
    _real("security_status", "-10 to 5"),
    comment="One row an attacker of a killmail",
)  # fmt: skip

killmail_items = _monthly(
    "killmail_items", ("killmail_id", "item_index", "killmail_time"),
    _id("killmail_id", required=True),
    _time("killmail_time", required=True),
    sa.Column("item_index", sa.Integer, nullable=False, comment="place in the killmail, containers before contents"),
    sa.Column("parent_index", sa.Integer, comment="item_index of the container that it was in"),
    _id("item_type_id", required=True),
    _id("flag", "slot or bay: raw.inventory_flags; 0 before May 2012", required=True),
    _id("singleton", "2: blueprint copy", required=True),
    _id("quantity_destroyed"),
    _id("quantity_dropped"),
    comment="One row an item row of a killmail, contents of containers too; repeats are genuine",
)  # fmt: skip

zkillboard_values = sa.Table(
    "zkillboard_values", metadata,
    sa.Column("killmail_id", sa.BigInteger, primary_key=True, autoincrement=False),
    _time("observed_at", "upload time of the feed, fetch time of a list; the last observation wins", required=True),
    _text("killmail_hash"),
    _id("location_id", "nearest celestial"),
    _real("fitted_value", "ISK"),
    _real("dropped_value", "ISK"),
    _real("destroyed_value", "ISK"),
    _real("total_value", "ISK"),
    _real("total_droppable_value", "ISK"),
    sa.Column("points", sa.Integer),
    _flag("npc"), _flag("solo"), _flag("awox"),
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
        _text("source", "esi or sde", required=True),
        _text("etag", "ESI's, for If-None-Match"),
        _time("fetched_at", "when this body was last known to be current", required=True, now=True),
        _time("gone_at", "when ESI said that there is no such record any more"),
        _time("known_since", "when this row was first stored; killmails stored later need not ask for it",
              required=True, now=True),
    )  # fmt: skip


alliances = _dimension(
    "alliances", "alliance_id", _text("name"), _text("ticker"),
    _id("creator_id"), _id("creator_corporation_id"), _id("executor_corporation_id"), _id("faction_id"),
    _time("date_founded"), _time("closed_at", "when it was first seen without any corporation"),
    *_fetched(), comment="Alliances as ESI tells them today",
)  # fmt: skip
corporations = _dimension(
    "corporations", "corporation_id", _text("name"), _text("ticker"),
    _id("alliance_id"), _id("ceo_id"), _id("creator_id"), _id("enlisted_faction_id"), _id("home_station_id"),
    _id("member_count"), _text("state", "active or closed"), _text("type", "player_owned or npc_owned"),
    _time("date_founded"), _real("tax_rate_isk", "percent, 0 to 100"), _real("tax_rate_loyalty_point", "percent"),
    _flag("war_eligible"), _text("url"), *_fetched(), comment="Corporations, NPC corporations too, as ESI tells today",
)  # fmt: skip
characters = _dimension(
    "characters", "character_id", _text("name"),
    _id("corporation_id", "today's; never join it onto old killmails"), _id("alliance_id"), _id("faction_id"),
    _time("birthday"), _text("gender"), _id("race_id"), _id("bloodline_id"), _real("security_status"),
    _text("corporation_title"), _id("achievement_score"), *_fetched(), comment="Player characters as ESI tells today",
)  # fmt: skip
types = _dimension(
    "types", "type_id", _text("name"), _id("group_id"), _flag("published"), _id("market_group_id"),
    _id("meta_group_id"), _id("variation_parent_type_id"), _real("volume", "m3"), _real("packaged_volume", "m3"),
    _real("mass", "kg"), _real("capacity", "m3"), _id("portion_size"),
    _real("meta_level", "dogma 633"), _real("rig_size", "dogma 1547"), _real("heat_damage", "dogma 1211"),
    _real("tech_level", "dogma 422"), *_fetched(), comment="Item types from the static data; the newest from ESI",
)  # fmt: skip
entity_names = sa.Table(
    "entity_names", metadata,
    _text("entity_kind", "alliance, corporation, character or type", required=True),
    _id("entity_id", required=True),
    _text("name", "absent: ESI cannot name it (yet)"),
    _time("asked_at", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="raw", comment="Names that came in bulk, before the bodies; where there is a body, its name counts",
)  # fmt: skip
alliance_corporations = sa.Table(
    "alliance_corporations", metadata,
    _id("alliance_id", required=True), _id("corporation_id", required=True),
    _time("listed_at", "when ESI last listed it", required=True, now=True),
    sa.PrimaryKeyConstraint("alliance_id", "corporation_id"),
    schema="raw", comment="The corporations of each alliance, as ESI lists them today",
)  # fmt: skip
character_affiliations = sa.Table(
    "character_affiliations", metadata,
    _id("character_id", required=True),
    _time("valid_from", "when it was first seen so; it may have begun earlier", required=True),
    _time("valid_to", "when another was first seen; absent: today's"),
    _id("corporation_id", required=True), _id("alliance_id"), _id("faction_id"),
    _time("confirmed_at", "when it was last seen so", required=True),
    _time("learnt_at", "when this row was written", required=True, now=True),
    sa.PrimaryKeyConstraint("character_id", "valid_from"),
    sa.Index("character_affiliations_today", "character_id", unique=True, postgresql_where=sa.text("valid_to is null")),
    schema="raw", comment="Who belonged to which corporation and alliance, as far as we have looked",
)  # fmt: skip
groups = _dimension(
    "groups", "group_id", _text("name"), _id("category_id"), _flag("published"), comment="Item groups",
)  # fmt: skip
categories = _dimension("categories", "category_id", _text("name"), _flag("published"), comment="Item categories")
market_groups = _dimension(
    "market_groups", "market_group_id", _text("name"), _id("parent_group_id"), comment="The market's tree",
)  # fmt: skip
meta_groups = _dimension("meta_groups", "meta_group_id", _text("name"), comment="Tech I, Tech II, Faction, ...")
systems = _dimension(
    "systems", "system_id", _text("name"), _id("constellation_id"), _id("region_id"),
    _real("security_status", "full precision"), comment="Solar systems",
)  # fmt: skip
constellations = _dimension(
    "constellations", "constellation_id", _text("name"), _id("region_id"), comment="Constellations",
)  # fmt: skip
regions = _dimension("regions", "region_id", _text("name"), comment="Regions")
factions = _dimension("factions", "faction_id", _text("name"), comment="NPC factions")
inventory_flags = _dimension(
    "inventory_flags", "flag_id", _text("name"), _text("text"),
    comment="Slots and bays; not in CCP's static data, and genuine killmails have further ones",
)  # fmt: skip

# ---- ops --------------------------------------------------------------------------------------------------------

origin = sa.Table(
    "origin", metadata,
    sa.Column("only_row", sa.Boolean, sa.CheckConstraint("only_row"), primary_key=True),
    _text("origin", "sandbox or live", required=True),
    schema="ops", comment="What this database was made for",
)  # fmt: skip

rejected_killmails = sa.Table(
    "rejected_killmails", metadata,
    _text("fingerprint", "sha256 of source, body and hash: the same rejection is kept once", required=True),
    _id("killmail_id", "when the body had a readable one"),
    _text("killmail_hash"),
    _text("source", required=True),
    _text("reason", required=True),
    _text("body", "as received", required=True),
    _time("rejected_at", required=True, now=True),
    sa.PrimaryKeyConstraint("fingerprint"),
    schema="ops", comment="Killmails that could not be stored, with the reason",
)  # fmt: skip

entity_pending = sa.Table(
    "entity_pending", metadata,
    _text("entity_kind", "the kind of a work queue's messages: character, alliance_corporations, ...", required=True),
    _id("entity_id", required=True),
    _time("first_seen", required=True, now=True),
    _time("claimed_at", "when somebody took it to publish it; expires in minutes"),
    _time("published_at", "when its message was confirmed; expires in a day"),
    _time("dead_at", "when its message died; it is not published again until somebody replays it"),
    sa.Column("urgent", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="goes to the urgent lane"),
    sa.Column("is_known", sa.Boolean, nullable=False, server_default=sa.text("false"),
              comment="its body is stored already, it is only stale"),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    sa.Index("entity_pending_free", "urgent", "first_seen",
             postgresql_where=sa.text("published_at is null and dead_at is null")),
    schema="ops", comment="Work that a queue is still to do, by its message's kind: each is published once",
)  # fmt: skip

enrichments = sa.Table(
    "enrichments", metadata,
    _text("entity_kind", required=True),
    _id("entity_id", required=True),
    _id("killmail_id", "the killmail that caused it", required=True),
    sa.Column("roles", ARRAY(sa.Text), nullable=False, comment="victim, attacker, final_blow, ship, weapon, item"),
    _time("requested_at", required=True, now=True),
    _time("enriched_at", "when the entity's body was stored"),
    _text("publishing_run", "Dagster run that published the message"),
    _text("consuming_run", "Dagster run that fetched the entity"),
    _text("queue", "work queue that carried it"),
    _text("message_id", "the message's natural key"),
    sa.Column("attempts", sa.Integer, comment="tries of the message that settled it"),
    _text("outcome", "pending, stored, gone or dead", required=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id", "killmail_id"),
    sa.Index("enrichments_killmail", "killmail_id"),
    schema="ops", comment="Which killmail caused which entity to be fetched",
)  # fmt: skip

dead_letters = sa.Table(
    "dead_letters", metadata,
    sa.Column("dead_letter_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("fingerprint", "sha256 of queue, attempts and body: the same death is kept once", required=True),
    _text("queue", required=True),
    _text("message_id"),
    _text("body", "the message as received", required=True),
    _text("reason", "why nothing more is tried", required=True),
    _text("error", required=True),
    sa.Column("attempts", sa.Integer, nullable=False),
    _time("first_failed_at", required=True),
    _time("died_at", "when it failed for the last time", required=True, now=True),
    _text("run_id"),
    _time("replayed_at", "when it was published again; a death after that takes this back"),
    sa.UniqueConstraint("fingerprint", name="dead_letters_once"),
    schema="ops", comment="Messages that nothing more is tried with",
)  # fmt: skip

feed_cursors = sa.Table(
    "feed_cursors", metadata,
    sa.Column("feed", sa.Text, primary_key=True),
    _id("next_sequence", "the first entry that has not been handled", required=True),
    _time("moved_at", required=True, now=True),
    _id("head_sequence", "the newest entry that the feed was seen to have"),
    _time("head_seen_at"),
    schema="ops", comment="How far each feed has been followed",
)  # fmt: skip

feed_gaps = sa.Table(
    "feed_gaps", metadata,
    _text("feed", required=True),
    _id("first_sequence", required=True),
    _id("last_sequence", required=True),
    _time("found_at", required=True, now=True),
    sa.PrimaryKeyConstraint("feed", "first_sequence"),
    schema="ops", comment="Entries that had expired before they were read: load those days from the archives",
)  # fmt: skip

source_versions = sa.Table(
    "source_versions", metadata,
    _text("source", required=True),
    _text("part", "a day of an archive, a build of the static data", required=True),
    _text("version", "etag or build number of what was read last", required=True),
    _time("read_at", required=True, now=True),
    sa.PrimaryKeyConstraint("source", "part"),
    schema="ops", comment="What was read of each source's files, so that nothing is read twice unchanged",
)  # fmt: skip

syncs = sa.Table(
    "syncs", metadata,
    sa.Column("sync_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _text("source", required=True),
    _text("subject", "who or what was listed", required=True),
    _time("started_at", required=True),
    _real("seconds"),
    sa.Column("listed", sa.Integer), sa.Column("stored", sa.Integer),
    sa.Column("queued", sa.Integer), sa.Column("skipped", sa.Integer),
    _text("outcome", required=True),
    _text("run_id"),
    schema="ops", comment="One row a look at somebody's killmail list",
)  # fmt: skip

followed = sa.Table(
    "followed", metadata,
    _text("entity_kind", "character, corporation or alliance", required=True),
    _id("entity_id", required=True),
    _time("followed_at", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="ops", comment="Whose killmails the operator wants listed on zKillboard regularly",
)  # fmt: skip

request_pace = sa.Table(
    "request_pace", metadata,
    sa.Column("service", sa.Text, primary_key=True, comment="esi, zkillboard, r2z2; esi:group for a bucket"),
    _time("next_at", "the earliest time of the next request that may be granted", required=True),
    _time("paused_until", "nobody asks before"),
    _text("pause_reason"),
    schema="ops", comment="The pace of all processes together, by service",
)  # fmt: skip

request_tokens = sa.Table(
    "request_tokens", metadata,
    _text("bucket", "rate limit group, and whose", required=True),
    _time("spent_in", "the second in which they were spent", required=True),
    _id("tokens", "the most they can cost until their answers are known", required=True),
    sa.Column("unsettled", sa.BigInteger, nullable=False, server_default=sa.text("0"),
              comment="requests whose answers are not known"),
    sa.PrimaryKeyConstraint("bucket", "spent_in"),
    schema="ops", comment="Tokens spent in the floating window of each bucket",
)  # fmt: skip

request_totals = sa.Table(
    "request_totals", metadata,
    _text("service", required=True),
    _text("bucket", required=True),
    sa.Column("day", sa.Date, nullable=False),
    _id("requests", required=True),
    _id("tokens", required=True),
    _id("errors", required=True),
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

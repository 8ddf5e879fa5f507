"""Schemas raw and ops, as of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "dead_letters",
        sa.Column("dead_letter_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="sha256 of queue, attempts and body: the same death is kept once",
        ),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False, comment="the message as received"),
        sa.Column("reason", sa.Text(), nullable=False, comment="why nothing more is tried"),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("died_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("dead_letter_id"),
        sa.UniqueConstraint("fingerprint", name="dead_letters_once"),
        schema="ops",
        comment="Messages that nothing more is tried with",
    )
    op.create_table(
        "enrichments",
        sa.Column("entity_kind", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("killmail_id", sa.BigInteger(), nullable=False, comment="the killmail that caused it"),
        sa.Column(
            "roles",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            comment="victim, attacker, final_blow, ship, weapon, item",
        ),
        sa.Column("requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "enriched_at", sa.DateTime(timezone=True), nullable=True, comment="when the entity's body was stored"
        ),
        sa.Column("publishing_run", sa.Text(), nullable=True, comment="Dagster run that published the message"),
        sa.Column("consuming_run", sa.Text(), nullable=True, comment="Dagster run that fetched the entity"),
        sa.Column("queue", sa.Text(), nullable=True, comment="work queue that carried it"),
        sa.Column("message_id", sa.Text(), nullable=True, comment="the message's natural key"),
        sa.Column("attempts", sa.Integer(), nullable=True, comment="tries of the message that settled it"),
        sa.Column("outcome", sa.Text(), nullable=False, comment="pending, stored, gone or dead"),
        sa.PrimaryKeyConstraint("entity_kind", "entity_id", "killmail_id"),
        schema="ops",
        comment="Which killmail caused which entity to be fetched",
    )
    op.create_index("enrichments_killmail", "enrichments", ["killmail_id"], unique=False, schema="ops")
    op.create_table(
        "entity_pending",
        sa.Column("entity_kind", sa.Text(), nullable=False, comment="alliance, corporation, character or type"),
        sa.Column("entity_id", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column(
            "claimed_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when somebody took it to publish it; expires in minutes",
        ),
        sa.Column(
            "published_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its message was confirmed; expires in a day",
        ),
        sa.Column(
            "dead_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when its message died; it is not published again",
        ),
        sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
        schema="ops",
        comment="Entities that killmails mention and the dimension tables lack",
    )
    op.create_table(
        "feed_cursors",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column(
            "next_sequence", sa.BigInteger(), nullable=False, comment="the first entry that has not been handled"
        ),
        sa.Column("moved_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("feed"),
        schema="ops",
        comment="How far each feed has been followed",
    )
    op.create_table(
        "feed_gaps",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("feed", "first_sequence"),
        schema="ops",
        comment="Entries that had expired before they were read: load those days from the archives",
    )
    op.create_table(
        "origin",
        sa.Column("only_row", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, comment="sandbox or live"),
        sa.PrimaryKeyConstraint("only_row"),
        schema="ops",
        comment="What this database was made for",
    )
    op.create_table(
        "rejected_killmails",
        sa.Column(
            "fingerprint",
            sa.Text(),
            nullable=False,
            comment="sha256 of source, body and hash: the same rejection is kept once",
        ),
        sa.Column("killmail_id", sa.BigInteger(), nullable=True, comment="when the body had a readable one"),
        sa.Column("killmail_hash", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False, comment="as received"),
        sa.Column("rejected_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint"),
        schema="ops",
        comment="Killmails that could not be stored, with the reason",
    )
    op.create_table(
        "request_pace",
        sa.Column("service", sa.Text(), nullable=False, comment="esi, zkillboard, r2z2; esi:group for a bucket"),
        sa.Column(
            "next_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="the earliest time of the next request that may be granted",
        ),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True, comment="nobody asks before"),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("service"),
        schema="ops",
        comment="The pace of all processes together, by service",
    )
    op.create_table(
        "request_tokens",
        sa.Column("bucket", sa.Text(), nullable=False, comment="rate limit group, and whose"),
        sa.Column(
            "spent_in", sa.DateTime(timezone=True), nullable=False, comment="the second in which they were spent"
        ),
        sa.Column(
            "tokens", sa.BigInteger(), nullable=False, comment="the most they can cost until their answers are known"
        ),
        sa.PrimaryKeyConstraint("bucket", "spent_in"),
        schema="ops",
        comment="Tokens spent in the floating window of each bucket",
    )
    op.create_table(
        "request_totals",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("bucket", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("requests", sa.BigInteger(), nullable=False),
        sa.Column("tokens", sa.BigInteger(), nullable=False),
        sa.Column("errors", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("service", "bucket", "day"),
        schema="ops",
        comment="Requests, tokens and errors by service, bucket and UTC day",
    )
    op.create_table(
        "source_versions",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("part", sa.Text(), nullable=False, comment="a day of an archive, a build of the static data"),
        sa.Column("version", sa.Text(), nullable=False, comment="etag or build number of what was read last"),
        sa.Column("read_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("source", "part"),
        schema="ops",
        comment="What was read of each source's files, so that nothing is read twice unchanged",
    )
    op.create_table(
        "syncs",
        sa.Column("sync_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False, comment="who or what was listed"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("listed", sa.Integer(), nullable=True),
        sa.Column("stored", sa.Integer(), nullable=True),
        sa.Column("queued", sa.Integer(), nullable=True),
        sa.Column("skipped", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("sync_id"),
        schema="ops",
        comment="One row a look at somebody's killmail list",
    )
    op.create_table(
        "alliances",
        sa.Column("alliance_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("ticker", sa.Text(), nullable=True),
        sa.Column("creator_id", sa.BigInteger(), nullable=True),
        sa.Column("creator_corporation_id", sa.BigInteger(), nullable=True),
        sa.Column("executor_corporation_id", sa.BigInteger(), nullable=True),
        sa.Column("faction_id", sa.BigInteger(), nullable=True),
        sa.Column("date_founded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), nullable=False, comment="esi or sde"),
        sa.Column("etag", sa.Text(), nullable=True, comment="ESI's, for If-None-Match"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this body was last known to be current",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when ESI said that there is no such record any more",
        ),
        sa.PrimaryKeyConstraint("alliance_id"),
        schema="raw",
        comment="Alliances as ESI tells them today",
    )
    op.create_table(
        "categories",
        sa.Column("category_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("category_id"),
        schema="raw",
        comment="Item categories",
    )
    op.create_table(
        "characters",
        sa.Column("character_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column(
            "corporation_id", sa.BigInteger(), nullable=True, comment="today's; never join it onto old killmails"
        ),
        sa.Column("alliance_id", sa.BigInteger(), nullable=True),
        sa.Column("faction_id", sa.BigInteger(), nullable=True),
        sa.Column("birthday", sa.DateTime(timezone=True), nullable=True),
        sa.Column("gender", sa.Text(), nullable=True),
        sa.Column("race_id", sa.BigInteger(), nullable=True),
        sa.Column("bloodline_id", sa.BigInteger(), nullable=True),
        sa.Column("security_status", sa.Double(), nullable=True),
        sa.Column("corporation_title", sa.Text(), nullable=True),
        sa.Column("achievement_score", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False, comment="esi or sde"),
        sa.Column("etag", sa.Text(), nullable=True, comment="ESI's, for If-None-Match"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this body was last known to be current",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when ESI said that there is no such record any more",
        ),
        sa.PrimaryKeyConstraint("character_id"),
        schema="raw",
        comment="Player characters as ESI tells today",
    )
    op.create_table(
        "constellations",
        sa.Column("constellation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("region_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("constellation_id"),
        schema="raw",
        comment="Constellations",
    )
    op.create_table(
        "corporations",
        sa.Column("corporation_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("ticker", sa.Text(), nullable=True),
        sa.Column("alliance_id", sa.BigInteger(), nullable=True),
        sa.Column("ceo_id", sa.BigInteger(), nullable=True),
        sa.Column("creator_id", sa.BigInteger(), nullable=True),
        sa.Column("enlisted_faction_id", sa.BigInteger(), nullable=True),
        sa.Column("home_station_id", sa.BigInteger(), nullable=True),
        sa.Column("member_count", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.Text(), nullable=True, comment="active or closed"),
        sa.Column("type", sa.Text(), nullable=True, comment="player_owned or npc_owned"),
        sa.Column("date_founded", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tax_rate_isk", sa.Double(), nullable=True, comment="percent, 0 to 100"),
        sa.Column("tax_rate_loyalty_point", sa.Double(), nullable=True, comment="percent"),
        sa.Column("war_eligible", sa.Boolean(), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False, comment="esi or sde"),
        sa.Column("etag", sa.Text(), nullable=True, comment="ESI's, for If-None-Match"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this body was last known to be current",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when ESI said that there is no such record any more",
        ),
        sa.PrimaryKeyConstraint("corporation_id"),
        schema="raw",
        comment="Corporations, NPC corporations too, as ESI tells today",
    )
    op.create_table(
        "factions",
        sa.Column("faction_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("faction_id"),
        schema="raw",
        comment="NPC factions",
    )
    op.create_table(
        "groups",
        sa.Column("group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("category_id", sa.BigInteger(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("group_id"),
        schema="raw",
        comment="Item groups",
    )
    op.create_table(
        "inventory_flags",
        sa.Column("flag_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("text", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("flag_id"),
        schema="raw",
        comment="Slots and bays; not in CCP's static data, and genuine killmails have further ones",
    )
    op.create_table(
        "killmail_attackers",
        sa.Column("killmail_id", sa.BigInteger(), nullable=False),
        sa.Column("killmail_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "attacker_index", sa.Integer(), nullable=False, comment="place in the killmail's list: the only identity"
        ),
        sa.Column(
            "character_id", sa.BigInteger(), nullable=True, comment="absent for NPCs and for players' structures"
        ),
        sa.Column("corporation_id", sa.BigInteger(), nullable=True),
        sa.Column("alliance_id", sa.BigInteger(), nullable=True),
        sa.Column("faction_id", sa.BigInteger(), nullable=True),
        sa.Column("ship_type_id", sa.BigInteger(), nullable=True),
        sa.Column("weapon_type_id", sa.BigInteger(), nullable=True, comment="may be the hull"),
        sa.Column("damage_done", sa.BigInteger(), nullable=False),
        sa.Column("final_blow", sa.Boolean(), nullable=False, comment="true for exactly one attacker of a killmail"),
        sa.Column("security_status", sa.Double(), nullable=True, comment="-10 to 5"),
        sa.PrimaryKeyConstraint("killmail_id", "attacker_index", "killmail_time"),
        schema="raw",
        comment="One row an attacker of a killmail",
        postgresql_partition_by="RANGE (killmail_time)",
    )
    op.create_table(
        "killmail_items",
        sa.Column("killmail_id", sa.BigInteger(), nullable=False),
        sa.Column("killmail_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "item_index", sa.Integer(), nullable=False, comment="place in the killmail, containers before contents"
        ),
        sa.Column("parent_index", sa.Integer(), nullable=True, comment="item_index of the container that it was in"),
        sa.Column("item_type_id", sa.BigInteger(), nullable=False),
        sa.Column(
            "flag", sa.BigInteger(), nullable=False, comment="slot or bay: raw.inventory_flags; 0 before May 2012"
        ),
        sa.Column("singleton", sa.BigInteger(), nullable=False, comment="2: blueprint copy"),
        sa.Column("quantity_destroyed", sa.BigInteger(), nullable=True),
        sa.Column("quantity_dropped", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("killmail_id", "item_index", "killmail_time"),
        schema="raw",
        comment="One row an item row of a killmail, contents of containers too; repeats are genuine",
        postgresql_partition_by="RANGE (killmail_time)",
    )
    op.create_table(
        "killmails",
        sa.Column("killmail_id", sa.BigInteger(), nullable=False, comment="CCP's id; grows roughly with time"),
        sa.Column(
            "killmail_time",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when the victim was killed, UTC; to the minute before November 2015",
        ),
        sa.Column(
            "killmail_hash",
            sa.Text(),
            nullable=True,
            comment="40 hex digits; computable from victim, final blow, hull and time",
        ),
        sa.Column("solar_system_id", sa.BigInteger(), nullable=False, comment="where it happened"),
        sa.Column("moon_id", sa.BigInteger(), nullable=True, comment="the moon, if the kill took place at one"),
        sa.Column("war_id", sa.BigInteger(), nullable=True, comment="the war, if it belongs to one"),
        sa.Column("victim_character_id", sa.BigInteger(), nullable=True, comment="absent for structures"),
        sa.Column("victim_corporation_id", sa.BigInteger(), nullable=True),
        sa.Column("victim_alliance_id", sa.BigInteger(), nullable=True),
        sa.Column("victim_faction_id", sa.BigInteger(), nullable=True),
        sa.Column("victim_ship_type_id", sa.BigInteger(), nullable=False, comment="the hull that was lost"),
        sa.Column("victim_damage_taken", sa.BigInteger(), nullable=False),
        sa.Column("position_x", sa.Double(), nullable=True, comment="metres from the sun; absent before November 2015"),
        sa.Column("position_y", sa.Double(), nullable=True),
        sa.Column("position_z", sa.Double(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False, comment="r2z2, zkillboard, everef or esi: who brought it first"),
        sa.Column(
            "stored_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when it was stored here",
        ),
        sa.PrimaryKeyConstraint("killmail_id", "killmail_time"),
        schema="raw",
        comment="One row a killmail; immutable",
        postgresql_partition_by="RANGE (killmail_time)",
    )
    op.create_table(
        "market_groups",
        sa.Column("market_group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("parent_group_id", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("market_group_id"),
        schema="raw",
        comment="The market's tree",
    )
    op.create_table(
        "meta_groups",
        sa.Column("meta_group_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("meta_group_id"),
        schema="raw",
        comment="Tech I, Tech II, Faction, ...",
    )
    op.create_table(
        "regions",
        sa.Column("region_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("region_id"),
        schema="raw",
        comment="Regions",
    )
    op.create_table(
        "systems",
        sa.Column("system_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("constellation_id", sa.BigInteger(), nullable=True),
        sa.Column("region_id", sa.BigInteger(), nullable=True),
        sa.Column("security_status", sa.Double(), nullable=True, comment="full precision"),
        sa.PrimaryKeyConstraint("system_id"),
        schema="raw",
        comment="Solar systems",
    )
    op.create_table(
        "types",
        sa.Column("type_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("group_id", sa.BigInteger(), nullable=True),
        sa.Column("published", sa.Boolean(), nullable=True),
        sa.Column("market_group_id", sa.BigInteger(), nullable=True),
        sa.Column("meta_group_id", sa.BigInteger(), nullable=True),
        sa.Column("variation_parent_type_id", sa.BigInteger(), nullable=True),
        sa.Column("volume", sa.Double(), nullable=True, comment="m3"),
        sa.Column("packaged_volume", sa.Double(), nullable=True, comment="m3"),
        sa.Column("mass", sa.Double(), nullable=True, comment="kg"),
        sa.Column("capacity", sa.Double(), nullable=True, comment="m3"),
        sa.Column("portion_size", sa.BigInteger(), nullable=True),
        sa.Column("meta_level", sa.Double(), nullable=True, comment="dogma 633"),
        sa.Column("rig_size", sa.Double(), nullable=True, comment="dogma 1547"),
        sa.Column("heat_damage", sa.Double(), nullable=True, comment="dogma 1211"),
        sa.Column("tech_level", sa.Double(), nullable=True, comment="dogma 422"),
        sa.Column("source", sa.Text(), nullable=False, comment="esi or sde"),
        sa.Column("etag", sa.Text(), nullable=True, comment="ESI's, for If-None-Match"),
        sa.Column(
            "fetched_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="when this body was last known to be current",
        ),
        sa.Column(
            "gone_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when ESI said that there is no such record any more",
        ),
        sa.PrimaryKeyConstraint("type_id"),
        schema="raw",
        comment="Item types from the static data; the newest from ESI",
    )
    op.create_table(
        "zkillboard_values",
        sa.Column("killmail_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "observed_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="upload time of the feed, fetch time of a list; the last observation wins",
        ),
        sa.Column("killmail_hash", sa.Text(), nullable=True),
        sa.Column("location_id", sa.BigInteger(), nullable=True, comment="nearest celestial"),
        sa.Column("fitted_value", sa.Double(), nullable=True, comment="ISK"),
        sa.Column("dropped_value", sa.Double(), nullable=True, comment="ISK"),
        sa.Column("destroyed_value", sa.Double(), nullable=True, comment="ISK"),
        sa.Column("total_value", sa.Double(), nullable=True, comment="ISK"),
        sa.Column("total_droppable_value", sa.Double(), nullable=True, comment="ISK"),
        sa.Column("points", sa.Integer(), nullable=True),
        sa.Column("npc", sa.Boolean(), nullable=True),
        sa.Column("solo", sa.Boolean(), nullable=True),
        sa.Column("awox", sa.Boolean(), nullable=True),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("attacker_count", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("killmail_id"),
        schema="raw",
        comment="What zKillboard says of a killmail: its own prices, flags and labels",
    )

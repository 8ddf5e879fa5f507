"""A description of every column that had none, of the view of users too."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

COMMENTS = {
    "ops.alembic_version": {
        "version_num": "the last migration of this database",
    },
    "ops.dead_letters": {
        "attempts": "tries, the last one included",
        "dead_letter_id": "its number in `killreport dead-letters`",
        "error": "the last error",
        "first_failed_at": "when it failed for the first time",
        "message_id": "the message's natural key",
        "queue": "the work queue",
        "run_id": "the Dagster run in which it failed last",
    },
    "ops.ended_sessions": {
        "ended_at": "when its owner signed out",
        "session_id": "the random id in the session's cookie",
    },
    "ops.enrichments": {
        "entity_id": "the entity",
        "entity_kind": "character, corporation, alliance or type",
        "requested_at": "when the entity was first found to be missing",
    },
    "ops.entity_pending": {
        "entity_id": "the id of the work, by its kind",
        "first_seen": "when the work was first found",
    },
    "ops.feed_cursors": {
        "feed": "the feed's name",
        "head_seen_at": "when the feed gave its newest entry last",
        "moved_at": "when the cursor moved last",
    },
    "ops.feed_failures": {
        "feed": "the feed's name",
        "first_failed_at": "when it could not be read for the first time",
        "next_try_at": "when it is requested again",
        "reason": "why it could not be read",
        "sequence": "the entry's number",
        "tries": "requests so far",
    },
    "ops.feed_gaps": {
        "feed": "the feed's name",
        "first_sequence": "the first missing entry",
        "found_at": "when they were found to be missing",
        "last_sequence": "the last missing entry",
    },
    "ops.followed": {
        "entity_id": "the character, corporation or alliance",
        "followed_at": "when it was followed",
    },
    "ops.killmail_lists": {
        "created_at": "when the list was first to be read",
    },
    "ops.origin": {
        "only_row": "true: the table has one row",
    },
    "ops.rejected_killmails": {
        "killmail_hash": "40 hex digits, with which ESI gives the body",
        "reason": "why it could not be stored",
        "rejected_at": "when it was rejected",
        "source": "who sent it",
    },
    "ops.request_pace": {
        "pause_reason": "why no request is sent, as the service said",
    },
    "ops.request_totals": {
        "bucket": "rate limit group, and whose; empty: none",
        "day": "the UTC day",
        "errors": "answers that count as errors",
        "requests": "requests that were sent",
        "service": "esi, zkillboard, r2z2, everef, sde or sso",
        "tokens": "tokens that they cost",
    },
    "ops.sign_ins": {
        "character_id": "the character that signed in",
        "character_name": "the character's name",
        "first_signed_in_at": "the first time",
    },
    "ops.source_versions": {
        "read_at": "when it was read",
        "source": "the source's name",
    },
    "ops.suspect_messages": {
        "queue": "the work queue",
    },
    "ops.syncs": {
        "listed": "killmails in the list",
        "outcome": "how it ended",
        "queued": "killmails that were queued for ESI",
        "run_id": "the Dagster run that did it",
        "seconds": "how long it took",
        "skipped": "killmails that were known already",
        "source": "zkillboard or esi",
        "started_at": "when it began",
        "stored": "killmails that were new and stored",
        "sync_id": "the reading's number",
    },
    "ops.tokens": {
        "character_id": "the character that signed in",
        "refreshed_at": "when EVE gave the access token",
    },
    "ops.transform_builds": {
        "built_at": "when that build ended",
    },
    "ops.users": {
        "account_id": "the same for all characters that one person has signed in with",
        "character_id": "the character that signed in",
        "character_name": "the character's name",
        "corporation_id": "today's, as ESI last said",
        "corporation_name": "the corporation's name",
        "corporation_next_at": "when it is due again",
        "corporation_outcome": "of the last attempt",
        "corporation_reason": "why the corporation's killmails are not listed with this sign-in",
        "corporation_retry_at": "not tried for the corporation before",
        "corporation_state": "not granted, on, or off: ESI refused for good",
        "corporation_synced_at": "when the corporation's list was last read successfully, with whose sign-in ever",
        "first_signed_in_at": "the first time",
        "fresh_until": "ESI has nothing newer before",
        "interval_seconds": "this user's own interval; absent: the tier's",
        "next_at": "when it is due again",
        "outcome": "of the last attempt",
        "reason": "why it is disabled, and what to do",
        "scopes": "what EVE's sign-in granted",
        "signed_in_at": "the last time",
        "state": "active, or disabled: the sign-in no longer works",
        "synced_at": "when the character's list was last read successfully",
        "tier": "standard or premium",
    },
    "raw.alliance_corporations": {
        "alliance_id": "the alliance",
        "corporation_id": "the corporation",
    },
    "raw.alliances": {
        "alliance_id": "the alliance",
        "creator_corporation_id": "the corporation that founded it",
        "creator_id": "the character that founded it",
        "date_founded": "when it was founded",
        "executor_corporation_id": "the corporation that leads it; absent: closed",
        "faction_id": "the militia in which it fights",
        "name": "EVE's name, in English",
        "ticker": "the short name between brackets",
    },
    "raw.categories": {
        "category_id": "the item category",
        "name": "EVE's name, in English",
        "published": "whether CCP shows it in the game",
    },
    "raw.character_affiliations": {
        "alliance_id": "the alliance",
        "character_id": "the character",
        "corporation_id": "the corporation",
        "faction_id": "the NPC faction",
    },
    "raw.characters": {
        "achievement_score": "points for achievements",
        "alliance_id": "today's",
        "birthday": "when it was created",
        "bloodline_id": "the bloodline",
        "character_id": "the character",
        "corporation_title": "the title that its corporation gave it",
        "faction_id": "the militia in which it fights",
        "gender": "female or male",
        "name": "EVE's name, in English",
        "race_id": "the race",
        "security_status": "-10 to 10, today's",
    },
    "raw.constellations": {
        "constellation_id": "the constellation",
        "name": "EVE's name, in English",
        "region_id": "the region",
    },
    "raw.corporations": {
        "alliance_id": "the alliance of which it is a member today",
        "ceo_id": "the character that leads it",
        "corporation_id": "the corporation",
        "creator_id": "the character that founded it",
        "date_founded": "when it was founded",
        "enlisted_faction_id": "the militia in which it fights",
        "home_station_id": "its home station",
        "member_count": "members today",
        "name": "EVE's name, in English",
        "ticker": "the short name between brackets",
        "url": "its web page, as its members wrote it",
        "war_eligible": "whether wars may be declared on it",
    },
    "raw.entity_names": {
        "asked_at": "when ESI was last asked",
        "entity_id": "the entity",
    },
    "raw.factions": {
        "faction_id": "the NPC faction",
        "name": "EVE's name, in English",
    },
    "raw.groups": {
        "category_id": "the item category",
        "group_id": "the item group",
        "name": "EVE's name, in English",
        "published": "whether CCP shows it in the game",
    },
    "raw.inventory_flags": {
        "flag_id": "the number of a slot or bay",
        "name": "CCP's name of the slot or bay",
        "text": "the same in words",
    },
    "raw.killmail_attackers": {
        "alliance_id": "the attacker's alliance then",
        "corporation_id": "the attacker's corporation then",
        "damage_done": "damage in hit points",
        "faction_id": "the attacker's militia, or the NPC faction",
        "killmail_id": "the killmail",
        "killmail_time": "when the victim was killed, UTC",
        "ship_type_id": "the hull that was flown",
    },
    "raw.killmail_items": {
        "item_type_id": "the item type",
        "killmail_id": "the killmail",
        "killmail_time": "when the victim was killed, UTC",
        "quantity_destroyed": "units that were destroyed",
        "quantity_dropped": "units that were dropped",
    },
    "raw.killmails": {
        "position_y": "metres from the sun",
        "position_z": "metres from the sun",
        "victim_alliance_id": "the victim's alliance then",
        "victim_corporation_id": "the victim's corporation then",
        "victim_damage_taken": "damage in hit points",
        "victim_faction_id": "the victim's militia, or the NPC faction",
    },
    "raw.market_groups": {
        "market_group_id": "the group on the market",
        "name": "EVE's name, in English",
        "parent_group_id": "the group above; absent: the top",
    },
    "raw.market_history": {
        "region_id": "the region",
        "type_id": "the item type",
    },
    "raw.market_prices": {
        "type_id": "the item type",
    },
    "raw.meta_groups": {
        "meta_group_id": "Tech I, Tech II, Faction, …",
        "name": "EVE's name, in English",
    },
    "raw.regions": {
        "name": "EVE's name, in English",
        "region_id": "the region",
    },
    "raw.systems": {
        "constellation_id": "the constellation",
        "name": "EVE's name, in English",
        "region_id": "the region",
        "system_id": "the solar system",
    },
    "raw.types": {
        "group_id": "the item group",
        "market_group_id": "the group on the market",
        "meta_group_id": "Tech I, Tech II, Faction, …",
        "name": "EVE's name, in English",
        "portion_size": "units of a batch that is built or refined",
        "published": "whether CCP shows it in the game",
        "type_id": "the item type",
        "variation_parent_type_id": "the Tech I type of which it is a variant",
    },
    "raw.zkillboard_values": {
        "attacker_count": "attackers, as it counts them",
        "awox": "whether it counts it as a kill by the victim's own corporation",
        "killmail_hash": "40 hex digits, with which ESI gives the body",
        "killmail_id": "the killmail",
        "labels": "zKillboard's labels, as pvp or loc:nullsec",
        "npc": "whether zKillboard counts it as a loss to NPCs",
        "points": "zKillboard's points",
        "solo": "whether it counts it as a solo kill",
    },
}


def upgrade() -> None:
    op.execute("comment on table ops.alembic_version is 'How far this database is migrated'")
    for relation, columns in COMMENTS.items():
        for column, comment in columns.items():
            op.execute(sa.text(f"comment on column {relation}.{column} is '{comment.replace(chr(39), chr(39) * 2)}'"))

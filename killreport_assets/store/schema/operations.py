"""The tables of schema ops: how the data came here, and what is still to be done. Those of users are in users.py."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from killreport_assets.store.schema.columns import bigint, id_key, metadata, real, text, time

origin = sa.Table(
    "origin",
    metadata,
    sa.Column(
        "only_row", sa.Boolean, sa.CheckConstraint("only_row"), primary_key=True, comment="true: the table has one row"
    ),
    text("origin", "sandbox or live", required=True),
    schema="ops",
    comment="What this database was made for",
)

rejected_killmails = sa.Table(
    "rejected_killmails",
    metadata,
    text("fingerprint", "sha256 of source, body and hash: the same rejection is kept once", required=True),
    bigint("killmail_id", "when the body had a readable one"),
    text("killmail_hash"),
    text("source", "who sent it", required=True),
    text("reason", "why it could not be stored", required=True),
    text("body", "as received", required=True),
    time("rejected_at", "when it was rejected", required=True, now=True),
    sa.PrimaryKeyConstraint("fingerprint"),
    schema="ops",
    comment="Killmails that could not be stored, with the reason",
)

entity_pending = sa.Table(
    "entity_pending",
    metadata,
    text("entity_kind", "the kind of a work queue's messages: character, alliance_corporations, ...", required=True),
    bigint("entity_id", "the id of the work, by its kind", required=True),
    time("first_seen", "when the work was first found", required=True, now=True),
    time("claimed_at", "when a process claimed it to publish it; expires in minutes"),
    sa.Column("claimed_by", sa.Integer, comment="the lock that this process holds until its message is confirmed"),
    time("published_at", "when its message was confirmed; expires in a day"),
    time("dead_at", "when its message became a dead letter; it is not published again until that is replayed"),
    sa.Column(
        "urgent", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="goes into the priority lane"
    ),
    sa.Column(
        "is_known",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="its body is stored already, it is only stale",
    ),
    text("hash", "of a killmail that is known by id and hash only"),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    sa.Index(
        "entity_pending_free",
        "urgent",
        "first_seen",
        postgresql_where=sa.text("published_at is null and dead_at is null"),
    ),
    sa.Index("entity_pending_claimed", "claimed_by", postgresql_where=sa.text("claimed_by is not null")),
    schema="ops",
    comment="Work that a queue is still to do, by its message's kind: each is published once",
)

enrichments = sa.Table(
    "enrichments",
    metadata,
    text("entity_kind", required=True),
    bigint("entity_id", required=True),
    bigint("killmail_id", "the killmail that caused it", required=True),
    sa.Column("roles", ARRAY(sa.Text), nullable=False, comment="victim, attacker, final_blow, ship, weapon, item"),
    time("requested_at", "when the entity was first found to be missing", required=True, now=True),
    time("enriched_at", "when the entity's body was stored"),
    text("publishing_run", "Dagster run that published the message"),
    text("consuming_run", "Dagster run that fetched the entity"),
    text("queue", "work queue that carried it"),
    text("message_id", "the message's natural key"),
    sa.Column("attempts", sa.Integer, comment="tries of the message that settled it"),
    text("outcome", "pending, stored, gone or dead", required=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id", "killmail_id"),
    sa.Index("enrichments_killmail", "killmail_id"),
    schema="ops",
    comment="Which killmail caused which entity to be fetched",
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    sa.Column(
        "dead_letter_id",
        sa.BigInteger,
        sa.Identity(always=True),
        primary_key=True,
        comment="its number in `killreport dead-letters`",
    ),
    text("fingerprint", "sha256 of queue, attempts and body: the same death is kept once", required=True),
    text("queue", required=True),
    text("message_id"),
    text("body", "the message as received", required=True),
    text("reason", "why it is a dead letter", required=True),
    text("error", "the last error", required=True),
    sa.Column("attempts", sa.Integer, nullable=False, comment="tries, the last one included"),
    time("first_failed_at", "when it failed for the first time", required=True),
    time("died_at", "when it failed for the last time", required=True, now=True),
    text("run_id", "the Dagster run in which it failed last"),
    time("replayed_at", "when it was published again; a later failure for good empties this"),
    sa.UniqueConstraint("fingerprint", name="dead_letters_once"),
    schema="ops",
    comment="Messages with which nothing more is tried",
)

suspect_messages = sa.Table(
    "suspect_messages",
    metadata,
    text("fingerprint", "sha256 of queue and body", required=True),
    text("queue", required=True),
    sa.Column("tries", sa.Integer, nullable=False, server_default="1", comment="workers that handled it alone"),
    time("tried_at", "when the last of them started", required=True, now=True),
    sa.PrimaryKeyConstraint("fingerprint"),
    schema="ops",
    comment="Messages that a worker handles alone, because they may have killed others; a row stays when it dies",
)

feed_cursors = sa.Table(
    "feed_cursors",
    metadata,
    sa.Column("feed", sa.Text, primary_key=True, comment="the feed's name"),
    bigint("next_sequence", "the first entry that has not been handled", required=True),
    time("moved_at", "when the cursor moved last", required=True, now=True),
    bigint("head_sequence", "the newest entry, as the feed said last"),
    time("head_seen_at", "when the feed gave its newest entry last"),
    time("read_at", "when the feed was last read without a failure, whether or not it had new entries"),
    text("failure", "why the last reading stopped early; null: it did not"),
    schema="ops",
    comment="How far each feed has been followed",
)

live_feed = sa.Table(
    "live_feed",
    metadata,
    id_key("killmail_id", "the killmail that was stored"),
    sa.Column("sequence", sa.BigInteger, unique=True, comment="the entry's number; absent: not numbered yet"),
    time("announced_at", "when it was stored", required=True, now=True),
    schema="ops",
    comment="Our own live feed: killmails of the last days as they were stored, for those who follow this one",
)

feed_gaps = sa.Table(
    "feed_gaps",
    metadata,
    text("feed", required=True),
    bigint("first_sequence", "the first missing entry", required=True),
    bigint("last_sequence", "the last missing entry", required=True),
    time("found_at", "when they were found to be missing", required=True, now=True),
    bigint("next_sequence", "the next entry of the gap to request, newest first; null: the feed has none of them"),
    sa.PrimaryKeyConstraint("feed", "first_sequence"),
    schema="ops",
    comment="Entries that were missing when the feed was read, and whether each has been requested",
)

feed_failures = sa.Table(
    "feed_failures",
    metadata,
    text("feed", required=True),
    bigint("sequence", "the entry's number", required=True),
    time("first_failed_at", "when it could not be read for the first time", required=True, now=True),
    time("next_try_at", "when it is requested again", required=True, now=True),
    sa.Column("tries", sa.Integer, nullable=False, server_default="1", comment="requests so far"),
    text("reason", "why it could not be read", required=True),
    sa.Column("content", sa.LargeBinary, comment="the answer as received, its first mebibyte; null: there was none"),
    sa.PrimaryKeyConstraint("feed", "sequence"),
    schema="ops",
    comment="Entries of feeds that cannot be read; each is tried again until it can be, or has expired",
)

source_versions = sa.Table(
    "source_versions",
    metadata,
    text("source", "the source's name", required=True),
    text("part", "a day of an archive, a build of the static data", required=True),
    text("version", "etag or build number of what was read last", required=True),
    time("read_at", "when it was read", required=True, now=True),
    sa.PrimaryKeyConstraint("source", "part"),
    schema="ops",
    comment="What was read of each source's files, so that nothing is read twice unchanged",
)

syncs = sa.Table(
    "syncs",
    metadata,
    sa.Column("sync_id", sa.BigInteger, sa.Identity(always=True), primary_key=True, comment="the reading's number"),
    text("source", "zkillboard or esi", required=True),
    text("subject", "who or what was listed", required=True),
    time("started_at", "when it began", required=True),
    real("seconds", "how long it took"),
    sa.Column("listed", sa.Integer, comment="killmails in the list"),
    sa.Column("stored", sa.Integer, comment="killmails that were new and stored"),
    sa.Column("queued", sa.Integer, comment="killmails that were queued for ESI"),
    sa.Column("skipped", sa.Integer, comment="killmails that were known already"),
    text("outcome", "how it ended", required=True),
    text("run_id", "the Dagster run that did it"),
    bigint("character_id", "whose sign-in was used"),
    schema="ops",
    comment="One row for each reading of a killmail list",
)

followed = sa.Table(
    "followed",
    metadata,
    text("entity_kind", "character, corporation or alliance", required=True),
    bigint("entity_id", "the character, corporation or alliance", required=True),
    time("followed_at", "when it was followed", required=True, now=True),
    sa.PrimaryKeyConstraint("entity_kind", "entity_id"),
    schema="ops",
    comment="Whose killmails the operator wants listed on zKillboard regularly",
)

erasures = sa.Table(
    "erasures",
    metadata,
    id_key("character_id", "the character that was erased"),
    time("erased_at", "when", required=True, now=True),
    text("reason", "who asked for it and why, in the operator's words", required=True),
    schema="ops",
    comment="Characters about which nothing is kept but the killmails: no source brings their names back",
)

request_pace = sa.Table(
    "request_pace",
    metadata,
    sa.Column("service", sa.Text, primary_key=True, comment="esi, zkillboard, r2z2; esi:group for a bucket"),
    time("next_at", "the earliest time of the next request that may be granted", required=True),
    time("paused_until", "no request is sent before"),
    text("pause_reason", "why no request is sent, as the service said"),
    time("paused_at", "when that was recorded: while the clock shows less, it has gone back and the pause is over"),
    schema="ops",
    comment="The requests of all processes together, by service",
)

request_tokens = sa.Table(
    "request_tokens",
    metadata,
    text("bucket", "rate limit group, and whose", required=True),
    time("spent_in", "the second in which they were spent", required=True),
    bigint("tokens", "the most they can cost until their answers are known", required=True),
    sa.Column(
        "unsettled",
        sa.BigInteger,
        nullable=False,
        server_default=sa.text("0"),
        comment="requests whose answers are not known",
    ),
    sa.PrimaryKeyConstraint("bucket", "spent_in"),
    schema="ops",
    comment="Tokens spent in the floating window of each bucket",
)

request_clocks = sa.Table(
    "request_clocks",
    metadata,
    sa.Column("machine", sa.Text, primary_key=True, comment="a machine since it was started"),
    real("ahead_at_least", "a lower bound of it", required=True),
    real("ahead_at_most", "an upper bound of it", required=True),
    schema="ops",
    comment="Seconds that PostgreSQL's clock is ahead of a machine's own, which never jumps: a change is a jump",
)

request_totals = sa.Table(
    "request_totals",
    metadata,
    text("service", "esi, zkillboard, r2z2, everef, sde or sso", required=True),
    text("bucket", "rate limit group, and whose; empty: none", required=True),
    sa.Column("day", sa.Date, nullable=False, comment="the UTC day"),
    bigint("requests", "requests that were sent", required=True),
    bigint("tokens", "tokens that they cost", required=True),
    bigint("errors", "answers that count as errors", required=True),
    sa.PrimaryKeyConstraint("service", "bucket", "day"),
    schema="ops",
    comment="Requests, tokens and errors by service, bucket and UTC day",
)

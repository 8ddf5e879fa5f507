"""The tables about people who have signed in, in schema ops: who they are, their tokens, their killmail lists.

Only ops.tokens holds secrets, and those encrypted (vault.py); what may be shown to anybody is the view ops.users.
Queries live with what asks them.
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from killreport_assets.store.schema.columns import bigint, id_key, metadata, text, time

sign_ins = sa.Table(
    "sign_ins",
    metadata,
    id_key("character_id", "the character that signed in"),
    text("character_name", required=True),
    bigint("account_id", "the same for all characters that one person has signed in with", required=True),
    text("owner_hash", "EVE's hash of the character's owner: another one means another person", required=True),
    bigint("corporation_id", "today's, as ESI last said"),
    time("corporation_checked_at", "when ESI last said it"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False, comment="what EVE's sign-in granted"),
    text("state", "active, or disabled: the sign-in no longer works", required=True),
    text("reason", "why it is disabled, and what to do"),
    text("corporation_state", "not granted, on, or off: ESI refused for good", required=True),
    text("corporation_reason", "why the corporation's killmails are not listed with this sign-in"),
    time("corporation_retry_at", "not tried for the corporation before"),
    time("corporation_used_at", "when it was last used for the corporation: Directors take turns"),
    text("tier", "standard or premium", required=True),
    sa.Column("interval_seconds", sa.Integer, comment="this user's own interval; absent: the tier's"),
    time("first_signed_in_at", "the first time", required=True, now=True),
    time("signed_in_at", "the last time", required=True, now=True),
    schema="ops",
    comment="Sign-ins with EVE, one a character; what may be seen of them is the view ops.users",
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column(
        "character_id",
        sa.BigInteger,
        sa.ForeignKey(sign_ins.c.character_id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        comment="the character that signed in",
    ),
    text("access_token", "encrypted", required=True),
    time("expires_at", "the access token's end", required=True),
    text("refresh_token", "encrypted; absent: EVE gave none"),
    text("key_id", "which key it is encrypted with: the beginning of that key's SHA-256", required=True),
    time("refreshed_at", "when EVE gave the access token", required=True, now=True),
    time("failing_since", "since when refreshing has failed for a passing reason"),
    schema="ops",
    comment="The tokens of users, encrypted",
)

killmail_lists = sa.Table(
    "killmail_lists",
    metadata,
    text("list_kind", "the kind of its queue's messages: user_killmails or corporation_killmails", required=True),
    bigint("subject_id", "the character or the corporation", required=True),
    time("next_at", "when it is due again", required=True, now=True),
    time("synced_at", "when it was last read successfully"),
    time("fresh_until", "ESI has nothing newer before"),
    text("outcome", "of the last attempt"),
    sa.Column("failures", sa.Integer, nullable=False, server_default=sa.text("0"), comment="failed attempts in a row"),
    text("etag", "of the first page"),
    sa.Column("resume_page", sa.Integer, comment="where a list that was cut short goes on"),
    bigint("newest_killmail_id", "the highest that it has had"),
    time("newest_killmail_at", "when that happened; absent: not stored yet"),
    time("created_at", "when the list was first to be read", required=True, now=True),
    sa.PrimaryKeyConstraint("list_kind", "subject_id"),
    sa.Index("killmail_lists_due", "next_at"),
    schema="ops",
    comment="Killmail lists of users and their corporations on ESI: when each is due, how far it is read",
)

ended_sessions = sa.Table(
    "ended_sessions",
    metadata,
    sa.Column("session_id", sa.Text, primary_key=True, comment="the random id in the session's cookie"),
    time("ended_at", "when its owner signed out", required=True, now=True),
    schema="ops",
    comment="Sessions of the sign-in page whose owners signed out: a copy of their cookies is refused",
)

sign_outs = sa.Table(
    "sign_outs",
    metadata,
    id_key("account_id", "whose sessions"),
    time("signed_out_at", "sessions that began before are refused, on every device", required=True, now=True),
    schema="ops",
    comment="When the owner of an account last signed out",
)

api_tokens = sa.Table(
    "api_tokens",
    metadata,
    sa.Column(
        "token_hash", sa.Text, primary_key=True, comment="SHA-256 of the token, which is shown once and not kept"
    ),
    text("name", "what it is for, in its owner's words", required=True),
    bigint("account_id", "whose killmails it may read; absent: of no person, made by the operator"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False, comment="read, and sync: what it may be used for"),
    time("created_at", "when it was made", required=True, now=True),
    time("expires_at", "from when on it is refused; absent: never"),
    time("last_used_at", "when it was last used, to a minute"),
    time("revoked_at", "when it was revoked"),
    schema="ops",
    comment="Tokens for programs that use the API",
)

api_requests = sa.Table(
    "api_requests",
    metadata,
    sa.Column("caller", sa.Text, primary_key=True, comment="a hash of the token or of the address that asks"),
    time("minute", "the minute that is counted", required=True),
    sa.Column("requests", sa.Integer, nullable=False, comment="requests in it"),
    schema="ops",
    comment="Requests to the API in the current minute, for all processes and machines together",
    prefixes=["UNLOGGED"],
)

users = sa.Table(
    "users",
    sa.MetaData(),  # a view: the migrations make it
    bigint("character_id", "the character that signed in", required=True),
    text("character_name", required=True),
    bigint("account_id", "the same for all characters that one person has signed in with", required=True),
    bigint("corporation_id", "today's, as ESI last said"),
    text("corporation_name"),
    sa.Column("scopes", ARRAY(sa.Text), nullable=False, comment="what EVE's sign-in granted"),
    text("state", "active, or disabled: the sign-in no longer works", required=True),
    text("reason", "why it is disabled, and what to do"),
    text("corporation_state", "not granted, on, or off: ESI refused for good", required=True),
    text("corporation_reason", "why the corporation's killmails are not listed with this sign-in"),
    time("corporation_retry_at", "not tried for the corporation before"),
    text("tier", "standard or premium", required=True),
    sa.Column("interval_seconds", sa.Integer, comment="this user's own interval; absent: the tier's"),
    time("first_signed_in_at", "the first time", required=True),
    time("signed_in_at", "the last time", required=True),
    time("synced_at", "when the character's list was last read successfully"),
    time("next_at", "when it is due again"),
    time("fresh_until", "ESI has nothing newer before"),
    text("outcome", "of the last attempt"),
    time("corporation_synced_at", "when the corporation's list was last read successfully, with whose sign-in ever"),
    time("corporation_next_at", "when it is due again"),
    text("corporation_outcome", "of the last attempt"),
    schema="ops",
    comment="Characters whose owners have signed in, and how their lists stand; no secret in it",
)

"""Users in the database: `ops.sign_ins`, encrypted tokens in `ops.tokens`, and what may be shown in `ops.users`."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Connection

from killreport_assets.base.errors import UserError
from killreport_assets.esi.routes import CORPORATION_SCOPE
from killreport_assets.models.ids import FIRST_NPC_CORPORATION, LAST_NPC_CORPORATION, is_npc_corporation
from killreport_assets.store.schema import tables
from killreport_assets.store.schema.users import killmail_lists, sign_ins, tokens
from killreport_assets.users.grants import Grant, Tokens
from killreport_assets.users.killmail_lists import OF_CORPORATION, OF_USER
from killreport_assets.users.vault import KeyMissing, Unreadable, Vault

ACTIVE, DISABLED = "active", "disabled"
ON, OFF, NOT_GRANTED = "on", "off", "not granted"
TIERS = ("standard", "premium")
BROKEN = "The stored sign-in is damaged and cannot be read. Sign in again."
NPC_CORPORATION = "An NPC corporation's killmails cannot be listed."
_CORPORATION_USABLE = f"""
    u.state = '{ACTIVE}' and u.corporation_state = '{ON}'
    and (u.corporation_retry_at is null or u.corporation_retry_at <= now())
"""
"""Whether a user's sign-in may be used to list the corporation's killmails."""


@dataclass(frozen=True)
class User:
    """A character whose owner has signed in, with the state of its killmail list and of its corporation's."""

    character_id: int
    character_name: str
    account_id: int
    corporation_id: int | None
    corporation_name: str | None
    scopes: list[str]
    state: str
    reason: str | None
    corporation_state: str
    corporation_reason: str | None
    corporation_retry_at: datetime | None
    tier: str
    interval_seconds: int | None
    signed_in_at: datetime
    synced_at: datetime | None
    next_at: datetime | None
    fresh_until: datetime | None
    outcome: str | None
    corporation_synced_at: datetime | None
    corporation_next_at: datetime | None
    corporation_outcome: str | None

    @property
    def lists_corporation(self) -> bool:
        """Whether the corporation's killmails are listed with this sign-in, now or later."""
        is_npc = self.corporation_id is not None and is_npc_corporation(self.corporation_id)
        return self.state == ACTIVE and self.corporation_state == ON and not is_npc


@dataclass(frozen=True)
class StoredTokens:
    """A user's tokens as stored in the database: encrypted."""

    access_token: str
    expires_at: datetime
    refresh_token: str | None
    key_id: str
    owner_hash: str


class Erased(UserError):
    """The character was erased at its owner's request."""


def sign_in(connection: Connection, vault: Vault, grant: Grant, account_id: int | None) -> int:
    """Store a new sign-in; returns the account that the character now belongs to.

    `account_id` is the account of the browser that signed in. A character whose owner has changed starts over: nothing
    of the old owner's grant, account or settings is kept.

    Raises:
        Erased: nothing about the character is stored any more.
    """
    identity = grant.identity
    erased = sa.select(tables.erasures.c.character_id).where(tables.erasures.c.character_id == identity.character_id)
    if connection.execute(erased).scalar() is not None:
        raise Erased(f"character {identity.character_id} was erased")
    stored_tokens(connection, identity.character_id, lock=True)  # locked first, as refreshing does
    known = connection.execute(
        sa.select(sign_ins.c.owner_hash, sign_ins.c.account_id)
        .where(sign_ins.c.character_id == identity.character_id)
        .with_for_update()
    ).one_or_none()
    if known is not None and known.owner_hash != identity.owner_hash:
        forget(connection, identity.character_id)
        known = None
    account = account_id or (known.account_id if known else secrets.randbits(62))
    row = {
        "character_id": identity.character_id,
        "character_name": identity.character_name,
        "account_id": account,
        "owner_hash": identity.owner_hash,
        "scopes": sorted(identity.scopes),
        "state": ACTIVE,
        "reason": None,
        "corporation_state": ON if CORPORATION_SCOPE in identity.scopes else NOT_GRANTED,
        "corporation_reason": None,
        "corporation_retry_at": None,
        "signed_in_at": sa.func.now(),
    }
    statement = insert(sign_ins).values(row | {"tier": TIERS[0]})
    connection.execute(statement.on_conflict_do_update(index_elements=["character_id"], set_=row))
    write_tokens(connection, vault, identity.character_id, grant, expires_at=identity.expires_at)
    statement = insert(killmail_lists).values(list_kind=OF_USER, subject_id=identity.character_id)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["list_kind", "subject_id"], set_={"next_at": sa.func.now(), "failures": 0}
        )
    )
    return account


def write_tokens(
    connection: Connection, vault: Vault, character_id: int, given: Tokens, *, expires_at: datetime | None
) -> None:
    """Encrypt and store a sign-in's or refresh's tokens; `expires_at` is None until the access token is validated."""
    row = {
        "character_id": character_id,
        "access_token": vault.encrypt(given.access_token),
        "refresh_token": vault.encrypt(given.refresh_token) if given.refresh_token else None,
        "key_id": vault.key_id,
        "refreshed_at": sa.func.now(),
        "expires_at": expires_at or sa.func.now(),
    } | ({"failing_since": None} if expires_at else {})
    statement = insert(tokens).values(row)
    connection.execute(statement.on_conflict_do_update(index_elements=["character_id"], set_=row))


@dataclass
class Reencrypted:
    """Users whose tokens were encrypted with the newest key, and users whose tokens could not be read."""

    users: list[int] = field(default_factory=list)
    damaged: list[int] = field(default_factory=list)
    """They have to sign in again."""
    key_missing: list[int] = field(default_factory=list)
    """Their tokens are unchanged: the key may be put back."""


def reencrypt_all(connection: Connection, vault: Vault) -> Reencrypted:
    """Encrypt all tokens with the newest key."""
    done = Reencrypted()
    rows = connection.execute(sa.select(tokens).order_by(tokens.c.character_id).with_for_update()).all()
    for row in rows:
        try:
            sealed = {
                name: vault.encrypt(vault.decrypt(value, row.key_id))
                for name, value in (("access_token", row.access_token), ("refresh_token", row.refresh_token))
                if value is not None
            }
        except KeyMissing:
            done.key_missing.append(row.character_id)
            continue
        except Unreadable:
            disable(connection, row.character_id, BROKEN)
            done.damaged.append(row.character_id)
            continue
        connection.execute(
            sa.update(tokens).where(tokens.c.character_id == row.character_id).values(key_id=vault.key_id, **sealed)
        )
        done.users.append(row.character_id)
    return done


def keys_in_use(connection: Connection) -> set[str]:
    """Return the keys that stored tokens are encrypted with."""
    return set(connection.execute(sa.select(tokens.c.key_id).distinct()).scalars())


def note_scopes(connection: Connection, character_id: int, scopes: Sequence[str]) -> None:
    """Store the scopes of a refreshed token; what a refusal of ESI switched off stays off."""
    state = sa.case(
        (sa.literal(CORPORATION_SCOPE not in scopes), NOT_GRANTED),
        (sign_ins.c.corporation_state == NOT_GRANTED, ON),
        else_=sign_ins.c.corporation_state,
    )
    connection.execute(
        sa.update(sign_ins)
        .where(sign_ins.c.character_id == character_id, sign_ins.c.scopes != sorted(scopes))
        .values(scopes=sorted(scopes), corporation_state=state)
    )


def stored_tokens(connection: Connection, character_id: int, *, lock: bool = False) -> StoredTokens | None:
    """Return a user's tokens, locked until the commit with `lock`; None: no such user, or a user without tokens."""
    row = connection.execute(
        sa.text(f"""
        select t.access_token, t.expires_at, t.refresh_token, t.key_id, u.owner_hash
        from ops.tokens t join ops.sign_ins u using (character_id) where character_id = :id
        {"for update of t" if lock else ""}
        """),
        {"id": character_id},
    ).one_or_none()
    return StoredTokens(*row) if row else None


def note_refresh_failure(connection: Connection, character_id: int) -> None:
    """Record since when refreshing fails."""
    connection.execute(
        sa.update(tokens)
        .where(tokens.c.character_id == character_id)
        .values(failing_since=sa.func.coalesce(tokens.c.failing_since, sa.func.now()))
    )


def disable(connection: Connection, character_id: int, reason: str) -> None:
    """End a grant that no longer works: its tokens are deleted; the user stays, with the reason for its owner."""
    connection.execute(sa.delete(tokens).where(tokens.c.character_id == character_id))
    connection.execute(
        sa.update(sign_ins).where(sign_ins.c.character_id == character_id).values(state=DISABLED, reason=reason)
    )


def forget(connection: Connection, character_id: int) -> bool:
    """Delete everything about a user except the killmails; False when there was no such user.

    The state of the user's token bucket at ESI stays until the bucket is full again.
    """
    stored_tokens(connection, character_id, lock=True)  # locked first, as refreshing does
    mine = {"id": character_id, "kind": OF_USER}
    # In the order in which workers lock them: pending work, the user, the list.
    connection.execute(sa.text("delete from ops.entity_pending where entity_kind = :kind and entity_id = :id"), mine)
    connection.execute(sa.text("select from ops.sign_ins where character_id = :id for update"), mine)
    connection.execute(sa.text("delete from ops.killmail_lists where list_kind = :kind and subject_id = :id"), mine)
    connection.execute(sa.text("delete from ops.syncs where subject = 'character:' || :id and source = :kind"), mine)
    connection.execute(sa.text("update ops.syncs set character_id = null where character_id = :id"), mine)
    return bool(connection.execute(sa.delete(sign_ins).where(sign_ins.c.character_id == character_id)).rowcount)


def list_users(connection: Connection, *, account_id: int | None = None, character_id: int | None = None) -> list[User]:
    """Return all users, those of one account, or one."""
    rows = connection.execute(
        sa.text("""
        select character_id, character_name, account_id, corporation_id, corporation_name, scopes, state, reason,
               corporation_state, corporation_reason, corporation_retry_at, tier, interval_seconds, signed_in_at,
               synced_at, next_at, fresh_until, outcome, corporation_synced_at, corporation_next_at, corporation_outcome
        from ops.users
        where account_id = coalesce(:account, account_id) and character_id = coalesce(:character, character_id)
        order by character_name, character_id
        """),
        {"account": account_id, "character": character_id},
    )
    return [User(*row) for row in rows]


def count_by_state(connection: Connection) -> dict[str, int]:
    """Return how many users are active, and how many disabled."""
    rows = connection.execute(sa.text("select state, count(*) from ops.sign_ins group by state order by state"))
    return {row[0]: row[1] for row in rows}


def ending_sign_ins(connection: Connection, failing_for: timedelta) -> dict[int, str]:
    """Return the users whose sign-in has ended or is about to, with the reason."""
    rows = connection.execute(
        sa.text(f"""
        select u.character_id, case
            when u.state = '{DISABLED}' then u.reason
            when t.refresh_token is null then 'it cannot be renewed, and ends at ' || t.expires_at
            else 'it could not be renewed since ' || t.failing_since end
        from ops.sign_ins u left join ops.tokens t using (character_id)
        where u.state = '{DISABLED}' or t.refresh_token is null
            or t.failing_since < now() - cast(:failing_for as interval)
        order by 1
        """),
        {"failing_for": failing_for},
    )
    return {row[0]: row[1] for row in rows}


def is_user(connection: Connection, character_id: int) -> bool:
    """Return whether the character has signed in; the row is locked: it cannot be forgotten before the commit."""
    query = sa.select(sign_ins.c.character_id).where(sign_ins.c.character_id == character_id)
    return connection.execute(query.with_for_update(key_share=True, read=True)).one_or_none() is not None


def get_user(connection: Connection, character_id: int) -> User:
    """Return one user.

    Raises:
        UserError: there is none.
    """
    found = list_users(connection, character_id=character_id)
    if not found:
        raise UserError(f"no user has signed in with character {character_id}; killreport users list")
    return found[0]


def set_interval(connection: Connection, character_id: int, *, tier: str | None, seconds: int | None) -> None:
    """Set a user's tier, or an interval of its own; due times use it from the next sync on."""
    values: dict[str, object] = {"interval_seconds": seconds} | ({"tier": tier} if tier else {})
    connection.execute(sa.update(sign_ins).where(sign_ins.c.character_id == character_id).values(values))


# ---- corporations -------------------------------------------------------------------------------------------------


def outdated_corporations(connection: Connection, ttl: timedelta) -> list[int]:
    """Return the users with a corporation scope whose corporation was last looked up longer ago than `ttl`."""
    rows = connection.execute(
        sa.text(f"""
        select u.character_id from ops.sign_ins u where {_CORPORATION_USABLE}
        and (u.corporation_checked_at is null or u.corporation_checked_at < now() - cast(:ttl as interval))
        order by 1
        """),
        {"ttl": ttl},
    )
    return list(rows.scalars())


def write_corporations(connection: Connection, corporations: dict[int, int], refused: Sequence[int] = ()) -> None:
    """Store users' corporations, and create lists for those that had none; NPC corporations have none.

    A user whom ESI `refused` keeps the known corporation, and is looked up again when that is outdated again.
    """
    connection.execute(
        sa.update(sign_ins).where(sign_ins.c.character_id.in_(refused)).values(corporation_checked_at=sa.func.now())
    )
    connection.execute(
        sa.text("""
        update ops.sign_ins u set
            corporation_id = seen.corporation_id, corporation_checked_at = now(),
            corporation_reason = case when seen.corporation_id between :first_npc and :last_npc then :npc_reason
                                      else nullif(u.corporation_reason, :npc_reason) end
        from unnest(cast(:characters as bigint[]), cast(:corporations as bigint[]))
            as seen (character_id, corporation_id)
        where u.character_id = seen.character_id
        """),
        {
            "characters": list(corporations),
            "corporations": list(corporations.values()),
            "npc_reason": NPC_CORPORATION,
            "first_npc": FIRST_NPC_CORPORATION,
            "last_npc": LAST_NPC_CORPORATION,
        },
    )
    connection.execute(
        sa.text(f"""
        insert into ops.killmail_lists (list_kind, subject_id)
        select distinct :kind, u.corporation_id from ops.sign_ins u
        where {_CORPORATION_USABLE} and u.corporation_id is not null
            and u.corporation_id not between {FIRST_NPC_CORPORATION} and {LAST_NPC_CORPORATION}
        on conflict do nothing
        """),
        {"kind": OF_CORPORATION},
    )


def next_director(connection: Connection, corporation_id: int, tried: Sequence[int]) -> int | None:
    """Return the least recently used sign-in for the corporation, and record its use; None when there is no other."""
    chosen: int | None = connection.execute(
        sa.text(f"""
        update ops.sign_ins set
            corporation_used_at = clock_timestamp(), corporation_retry_at = null, corporation_reason = null
        where character_id = (
            select u.character_id from ops.sign_ins u
            where u.corporation_id = :corporation and u.character_id <> all(cast(:tried as bigint[]))
                and {_CORPORATION_USABLE}
            order by u.corporation_used_at nulls first, u.character_id limit 1 for update)
        returning character_id
        """),
        {"corporation": corporation_id, "tried": list(tried)},
    ).scalar_one_or_none()
    return chosen


def switch_corporation_off(connection: Connection, character_id: int, reason: str) -> None:
    """Stop using this sign-in for its corporation; a new sign-in switches it on again."""
    values = {"corporation_state": OFF, "corporation_reason": reason}
    connection.execute(sa.update(sign_ins).where(sign_ins.c.character_id == character_id).values(values))


def defer_corporation(connection: Connection, character_id: int, wait: timedelta, reason: str) -> None:
    """Use this sign-in for its corporation again after `wait`, and look up the corporation before."""
    connection.execute(
        sa.update(sign_ins)
        .where(sign_ins.c.character_id == character_id)
        .values(corporation_retry_at=sa.func.now() + wait, corporation_reason=reason, corporation_checked_at=None)
    )

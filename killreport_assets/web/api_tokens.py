"""Tokens of programs that use the API: stored as hashes, shown once, scoped, expiring, revocable."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from killreport_assets.base.errors import UserError
from killreport_assets.store.schema.users import api_tokens

PREFIX = "kr_"
READ, SYNC = "read", "sync"
SCOPES = (READ, SYNC)
ID_LENGTH = 12
"""Hex digits of the hash by which people name a token."""
MAX_NAME = 100
USE_NOTED_EVERY = timedelta(minutes=1)
MAX_TOKENS_OF_AN_ACCOUNT = 20


@dataclass(frozen=True)
class ApiToken:
    """What may be shown of a token."""

    token_id: str
    name: str
    account_id: int | None
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_use_due(self) -> bool:
        """Whether a use is to be noted: at most once a minute, for programs ask often."""
        return self.last_used_at is None or datetime.now(UTC) - self.last_used_at > USE_NOTED_EVERY


def new_token(
    connection: Connection, name: str, scopes: Sequence[str], *, days: int | None = None, account_id: int | None = None
) -> str:
    """Store a new token and return it: it cannot be shown again.

    Raises:
        UserError: the name or a scope is not valid, or the account has as many tokens as it may have.
    """
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME:
        raise UserError(f"a token needs a name of at most {MAX_NAME} characters")
    if not scopes or set(scopes) - set(SCOPES):
        raise UserError(f"the scopes of a token are {' and '.join(SCOPES)}")
    if SYNC in scopes and account_id is None:
        raise UserError("scope sync needs an account: it syncs the killmails of the token's owner")
    if account_id is not None and len(list_tokens(connection, account_id, valid=True)) >= MAX_TOKENS_OF_AN_ACCOUNT:
        raise UserError(f"you have {MAX_TOKENS_OF_AN_ACCOUNT} tokens: revoke one that you do not need")
    token = PREFIX + secrets.token_urlsafe(32)
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    values = {"token_hash": _hash(token), "name": name, "scopes": list(scopes)}
    connection.execute(sa.insert(api_tokens).values(**values, account_id=account_id, expires_at=expires_at))
    return token


def find_token(connection: Connection, token: str) -> ApiToken | None:
    """The token as it is stored; None if it is unknown, expired or revoked."""
    if not token.startswith(PREFIX):
        return None
    found = connection.execute(sa.select(api_tokens).where(api_tokens.c.token_hash == _hash(token), _is_valid()))
    row = found.mappings().one_or_none()
    return _token(row) if row else None


def note_use(connection: Connection, token: str) -> None:
    """Note that a token is used now."""
    connection.execute(
        sa.update(api_tokens).where(api_tokens.c.token_hash == _hash(token)).values(last_used_at=sa.func.now())
    )


def list_tokens(connection: Connection, account_id: int | None = None, *, valid: bool = False) -> list[ApiToken]:
    """All tokens, or those of an account; with `valid` only those that are neither expired nor revoked."""
    query = sa.select(api_tokens).order_by(api_tokens.c.created_at)
    if account_id is not None:
        query = query.where(api_tokens.c.account_id == account_id)
    if valid:
        query = query.where(_is_valid())
    return [_token(row) for row in connection.execute(query).mappings()]


def revoke_token(connection: Connection, token_id: str, account_id: int | None = None) -> None:
    """Revoke a token by its id; with `account_id` only one of that account.

    Raises:
        UserError: there is no such token, or it was revoked before.
    """
    if len(token_id) != ID_LENGTH or set(token_id) - set("0123456789abcdef"):
        raise UserError(f"a token's id has {ID_LENGTH} hex digits")
    query = sa.update(api_tokens).where(api_tokens.c.token_hash.startswith(token_id), api_tokens.c.revoked_at.is_(None))
    if account_id is not None:
        query = query.where(api_tokens.c.account_id == account_id)
    if connection.execute(query.values(revoked_at=sa.func.now())).rowcount == 0:
        raise UserError(f"there is no token {token_id} that could be revoked")


def _is_valid() -> sa.ColumnElement[bool]:
    columns = api_tokens.c
    return sa.and_(
        columns.revoked_at.is_(None), sa.or_(columns.expires_at.is_(None), columns.expires_at > sa.func.now())
    )


def _token(row: sa.RowMapping) -> ApiToken:
    facts = {name: value for name, value in row.items() if name != "token_hash"}
    return ApiToken(token_id=row["token_hash"][:ID_LENGTH], **facts)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()

"""Users' access tokens: refreshed when they are about to expire, by one process at a time; ended when EVE ends them.

EVE may replace the refresh token with every refresh: the new one is stored in the transaction that locks the row, so
that no other process can use the old one meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from pydantic import SecretStr
from sqlalchemy.engine import Connection, Engine

from killreport_assets.base.errors import UserError
from killreport_assets.esi.client import Access
from killreport_assets.http.errors import ServiceError, Unavailable
from killreport_assets.settings import Settings
from killreport_assets.users.sso import EveSso, InvalidGrant, InvalidToken
from killreport_assets.users.store import (
    BROKEN,
    StoredTokens,
    disable,
    forget,
    note_refresh_failure,
    note_scopes,
    stored_tokens,
    write_tokens,
)
from killreport_assets.users.vault import Unreadable, Vault

log = logging.getLogger(__name__)
REFRESH_BEFORE = timedelta(seconds=60)
MAX_REFRESHES = 2
"""Concurrent refreshes in one process: each holds a connection to PostgreSQL while EVE answers."""
ENDED = (
    "EVE no longer accepts this sign-in: it was revoked at EVE, or its newest token was lost when KillReport was "
    "interrupted. Sign in again."
)
OTHER_OWNER = "The character has another owner now: the old sign-in has ended. Sign in again."
NO_REFRESH_TOKEN = "The sign-in has expired, and EVE gave nothing to renew it with. Sign in again."  # noqa: S105


class SignedOut(Exception):
    """The user's sign-in can no longer be used; the text says why, for its owner."""


class TokenKeeper:
    """Provides access tokens that are valid for at least a minute; one object serves all threads of a process."""

    def __init__(self, engine: Engine, connect: Callable[[], EveSso], open_vault: Callable[[], Vault]) -> None:
        """The client of EVE's sign-in and the vault are created when first needed: most runs have no users."""
        self._engine = engine
        self._connect, self._open_vault = connect, open_vault
        self._refreshes = threading.BoundedSemaphore(MAX_REFRESHES)

    @cached_property
    def sso(self) -> EveSso:
        """EVE's sign-in."""
        return self._connect()

    @cached_property
    def vault(self) -> Vault:
        """What tokens are encrypted with."""
        return self._open_vault()

    def access(self, character_id: int, *, rejected: SecretStr | None = None) -> Access:
        """Return the access for requests to ESI; a token that ESI has `rejected` is replaced even if not expired.

        Raises:
            SignedOut: only a new sign-in helps; the user is disabled with the reason.
            ServiceError: EVE's sign-in did not answer properly: try again.
            UserError: the key of the tokens is missing.
        """
        with self._engine.connect() as connection:
            stored = stored_tokens(connection, character_id)
        if stored is None:
            raise SignedOut("No user is signed in with this character.")
        token = self._usable(stored, rejected)
        if token is None:
            token = self._refreshed(character_id, rejected)
        return Access(token, f"{self.sso.client_id}:{character_id}")

    def _refreshed(self, character_id: int, rejected: SecretStr | None) -> SecretStr:
        try:
            with self._refreshes, self._engine.begin() as connection:
                stored = stored_tokens(connection, character_id, lock=True)
                if stored is None:
                    raise SignedOut("No user is signed in with this character.")
                # Another process may have refreshed it.
                result = self._usable(stored, rejected) or self._refresh(connection, character_id, stored)
        except ServiceError:
            with self._engine.begin() as connection:
                note_refresh_failure(connection, character_id)
            raise
        if isinstance(result, SecretStr):
            return result
        raise result

    def _usable(self, stored: StoredTokens, rejected: SecretStr | None) -> SecretStr | None:
        if stored.expires_at - datetime.now(UTC) < REFRESH_BEFORE:
            return None
        try:
            token = self.vault.decrypt(stored.access_token, stored.key_id)
        except Unreadable:
            return None
        return None if rejected is not None and token == rejected else token

    def _refresh(
        self, connection: Connection, character_id: int, stored: StoredTokens
    ) -> SecretStr | SignedOut | ServiceError:
        """Return the new access token, or why there is none; EVE's tokens are written, and the caller must commit."""
        if stored.refresh_token is None:
            return self._end(connection, character_id, NO_REFRESH_TOKEN)
        try:
            old = self.vault.decrypt(stored.refresh_token, stored.key_id)
            self.vault.encrypt(old)  # fails before EVE replaces it, if the new one could not be stored
            tokens = self.sso.refresh(old)
        except Unreadable:
            return self._end(connection, character_id, BROKEN)
        except InvalidGrant:
            return self._end(connection, character_id, ENDED)
        # From here on the old refresh token may no longer be valid: the new one is stored in any case.
        tokens = replace(tokens, refresh_token=tokens.refresh_token or old)
        write_tokens(connection, self.vault, character_id, tokens, expires_at=None)
        try:
            identity = self.sso.validate(tokens.access_token)
        except ServiceError as error:
            note_refresh_failure(connection, character_id)
            return error if not isinstance(error, InvalidToken) else Unavailable(str(error))
        if (identity.character_id, identity.owner_hash) != (character_id, stored.owner_hash):
            return self._end(connection, character_id, OTHER_OWNER)
        write_tokens(connection, self.vault, character_id, tokens, expires_at=identity.expires_at)
        note_scopes(connection, character_id, sorted(identity.scopes))
        return tokens.access_token

    def _end(self, connection: Connection, character_id: int, reason: str) -> SignedOut:
        disable(connection, character_id, reason)
        log.warning("the sign-in of character %s has ended: %s", character_id, reason)
        return SignedOut(reason)

    def forget(self, character_id: int) -> str | None:
        """Revoke the grant at EVE and delete the user; returns why EVE did not revoke it, None when it did."""
        problem = None
        with self._refreshes, self._engine.begin() as connection:
            stored = stored_tokens(connection, character_id, lock=True)  # no process refreshes it meanwhile
            if stored is not None and stored.refresh_token is not None:
                try:
                    self.sso.revoke(self.vault.decrypt(stored.refresh_token, stored.key_id))
                except ServiceError as error:
                    problem = str(error)
                except (Unreadable, UserError) as error:
                    log.warning("the grant of character %s is not revoked at EVE: %s", character_id, error)
                    problem = "the stored sign-in cannot be read"  # the log has the reason, for the operator
            forget(connection, character_id)
        return problem

    def close(self) -> None:
        """Close connections."""
        if "sso" in vars(self):
            self.sso.close()


def token_keeper(settings: Settings, engine: Engine) -> TokenKeeper:
    """Return the keeper for these settings; it reports what is wrong with them when a token is first needed."""
    return TokenKeeper(engine, lambda: EveSso(settings, engine), lambda: Vault(settings))

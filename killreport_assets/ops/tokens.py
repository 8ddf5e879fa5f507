"""Users' access tokens: refreshed when they are about to end, by one process at a time; ended when EVE ends them.

A refresh token may be replaced with every refresh: what comes back is stored in the transaction that holds the row, so
that nobody else can have used the old one meanwhile.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi.client import Access
from killreport_assets.esi.errors import ServiceError
from killreport_assets.esi.sso import EveSso, InvalidGrant, InvalidToken
from killreport_assets.settings import Settings
from killreport_assets.store.users import (
    StoredTokens,
    disable,
    forget,
    note_refresh_failure,
    note_scopes,
    stored_tokens,
    write_tokens,
)
from killreport_assets.store.vault import Unreadable, Vault

log = logging.getLogger(__name__)
REFRESH_BEFORE = timedelta(seconds=60)
MOST_REFRESHES = 2
"""At once in one process: each holds a connection to PostgreSQL while EVE answers."""
ENDED = (
    "EVE no longer accepts this sign-in: it was revoked at EVE, or its newest token was lost when KillReport was "
    "interrupted. Sign in again."
)
OTHER_OWNER = "The character has another owner now: the old sign-in has ended. Sign in again."
NO_REFRESH_TOKEN = "The sign-in has expired, and EVE gave nothing to renew it with. Sign in again."  # noqa: S105
BROKEN = "The stored sign-in is damaged and cannot be read. Sign in again."


class SignedOut(Exception):
    """There is no way to ask for this user any more; says why, for its owner to read."""


class TokenKeeper:
    """Hands out access tokens that are good for a minute at least; one object serves all threads of a process."""

    def __init__(self, engine: Engine, connect: Callable[[], EveSso], vault: Vault) -> None:
        """`connect` makes the client of EVE's sign-in when it is first needed."""
        self._engine, self._vault = engine, vault
        self._connect = connect
        self._sso: EveSso | None = None
        self._turns = threading.BoundedSemaphore(MOST_REFRESHES)

    @property
    def sso(self) -> EveSso:
        """EVE's sign-in."""
        if self._sso is None:
            self._sso = self._connect()
        return self._sso

    def access(self, character_id: int, *, rejected: SecretStr | None = None) -> Access:
        """What to ask ESI with; a token that ESI has `rejected` is replaced, whatever its expiry says.

        Raises:
            SignedOut: only a new sign-in helps; the user is disabled with the reason.
            ServiceError: EVE's sign-in did not answer properly: try again.
            UserError: the key of the tokens is missing.
        """
        with self._engine.connect() as connection:
            stored = stored_tokens(connection, character_id)
        if stored is None:
            raise SignedOut("Nobody is signed in with this character.")
        token = self._usable(stored, rejected)
        if token is None:
            token = self._refreshed(character_id, rejected)
        return Access(token, f"{self.sso.client_id}:{character_id}")

    def _refreshed(self, character_id: int, rejected: SecretStr | None) -> SecretStr:
        ended: str | None = None
        try:
            with self._turns, self._engine.begin() as connection:
                stored = stored_tokens(connection, character_id, lock=True)
                if stored is None:
                    raise SignedOut("Nobody is signed in with this character.")
                token = self._usable(stored, rejected)  # another process may have been first
                if token is None:
                    token, ended = self._refresh(connection, character_id, stored)
        except ServiceError:
            with self._engine.begin() as connection:
                note_refresh_failure(connection, character_id)
            raise
        if ended is not None or token is None:
            log.warning("the sign-in of character %s has ended: %s", character_id, ended)
            raise SignedOut(ended)
        return token

    def _usable(self, stored: StoredTokens, rejected: SecretStr | None) -> SecretStr | None:
        if stored.expires_at - datetime.now(UTC) < REFRESH_BEFORE:
            return None
        try:
            token = self._vault.decrypt(stored.access_token, stored.key_id)
        except Unreadable:
            return None
        return None if rejected is not None and token == rejected else token

    def _refresh(
        self, connection: Connection, character_id: int, stored: StoredTokens
    ) -> tuple[SecretStr | None, str | None]:
        """The new access token, or why there is none; both are written already."""
        try:
            if stored.refresh_token is None:
                return None, self._end(connection, character_id, NO_REFRESH_TOKEN)
            grant = self.sso.refresh(self._vault.decrypt(stored.refresh_token, stored.key_id))
        except Unreadable:
            return None, self._end(connection, character_id, BROKEN)
        except InvalidGrant:
            return None, self._end(connection, character_id, ENDED)
        except InvalidToken as invalid:
            return None, self._end(connection, character_id, f"EVE gave a token that is not valid ({invalid}).")
        if (grant.identity.character_id, grant.identity.owner_hash) != (character_id, stored.owner_hash):
            return None, self._end(connection, character_id, OTHER_OWNER)
        write_tokens(connection, self._vault, grant)
        note_scopes(connection, character_id, sorted(grant.identity.scopes))
        return grant.access_token, None

    def _end(self, connection: Connection, character_id: int, reason: str) -> str:
        disable(connection, character_id, reason)
        return reason

    def forget(self, character_id: int) -> str | None:
        """End the grant at EVE and delete the user; returns why EVE could not be told, None when it was."""
        with self._engine.connect() as connection:
            stored = stored_tokens(connection, character_id)
        problem = None
        if stored is not None and stored.refresh_token is not None:
            try:
                self.sso.revoke(self._vault.decrypt(stored.refresh_token, stored.key_id))
            except (ServiceError, Unreadable) as error:
                problem = str(error)
        with self._engine.begin() as connection:
            forget(connection, character_id)
        return problem

    def close(self) -> None:
        """Let go of connections."""
        if self._sso is not None:
            self._sso.close()


def token_keeper(settings: Settings, engine: Engine) -> TokenKeeper:
    """As the settings say.

    Raises:
        UserError: the key of the tokens is unusable.
    """
    return TokenKeeper(engine, lambda: EveSso(settings, engine), Vault(settings))

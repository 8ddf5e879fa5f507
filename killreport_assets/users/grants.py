"""What EVE's sign-in grants: data only. sso.py creates it, store.py stores it."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr


@dataclass(frozen=True)
class Identity:
    """The claims of a validated access token."""

    character_id: int
    character_name: str
    owner_hash: str
    """Changes when the character gets another owner."""
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True)
class Tokens:
    """The tokens of EVE's token endpoint; secrets are not shown when printed."""

    access_token: SecretStr
    refresh_token: SecretStr | None


@dataclass(frozen=True)
class Grant(Tokens):
    """Tokens, and the validated claims of the access token."""

    identity: Identity

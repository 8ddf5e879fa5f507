"""What EVE's sign-in grants: data only. esi/sso.py makes it, users.py stores it."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr


@dataclass(frozen=True)
class Identity:
    """What a checked access token says."""

    character_id: int
    character_name: str
    owner_hash: str
    """Another one means that the character has another owner."""
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True)
class Tokens:
    """What EVE's token endpoint gave; secrets show nothing of themselves."""

    access_token: SecretStr
    refresh_token: SecretStr | None


@dataclass(frozen=True)
class Grant(Tokens):
    """Tokens, and what the access token says, checked."""

    identity: Identity

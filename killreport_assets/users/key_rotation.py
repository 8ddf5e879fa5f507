"""Rotating the key of users' tokens while everything runs. Keys and where they are stored are in vault.py."""

from dataclasses import dataclass

from sqlalchemy.engine import Engine

from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.settings import Settings
from killreport_assets.users.store import Reencrypted, keys_in_use, reencrypt_all
from killreport_assets.users.vault import Vault


@dataclass(frozen=True)
class RotationReport:
    """The new key, and the result of encrypting the tokens with it."""

    key_id: str
    tokens: Reencrypted


def rotate_key(engine: Engine, settings: Settings) -> RotationReport:
    """Encrypt every token with a new key, and drop the keys that no token needs; one process at a time.

    Raises:
        UserError: KILLREPORT_TOKEN_KEY does not contain keys.
    """
    with advisory_lock(engine, Lock.KEY_ROTATION):
        vault = Vault(settings)
        if vault.is_file:
            vault.add_key()
        with engine.begin() as connection:
            done = reencrypt_all(connection, vault)
            in_use = keys_in_use(connection)
        vault.drop_keys_but(in_use)
    return RotationReport(vault.key_id, done)

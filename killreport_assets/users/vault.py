"""Encrypting users' tokens: the keys, where they come from, and changing them. store.py stores the tokens.

Fernet (AES-128-CBC with HMAC-SHA256) of the package cryptography; several keys, the newest first.
"""

import hashlib
import hmac
import os
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr

from killreport_assets.base.errors import UserError
from killreport_assets.settings import Settings

KEY_FILE = "token-key"


class KeyMissing(UserError):
    """The key that something was encrypted with is missing; it may be put back."""


class Unreadable(Exception):
    """The ciphertext is broken, although its key is present: its content is lost."""


def new_key() -> str:
    """Return a new key, in the format of `KILLREPORT_TOKEN_KEY`."""
    return Fernet.generate_key().decode()


def _key_id(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]


class Vault:
    """Encrypts with the newest key, decrypts with any of the keys."""

    def __init__(self, settings: Settings) -> None:
        """The key file is created when there is neither a file nor the setting.

        Raises:
            UserError: a key is not a Fernet key, or others than its owner can read the file.
        """
        self._setting = settings.users.token_key
        self._file = settings.home / KEY_FILE
        self._load()

    def _load(self) -> None:
        keys = _keys_of_setting(self._setting) if self._setting is not None else _keys_of_file(self._file)
        self._read_at = self._changed_at() if self.is_file else 0
        self._keys = {_key_id(key): key for key in keys}
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def _changed_at(self) -> int:
        try:
            return self._file.stat().st_mtime_ns
        except OSError as missing:
            raise UserError(f"the key of users' tokens cannot be read: {missing}; put the file back") from None

    @property
    def key_id(self) -> str:
        """The id of the key that is used to encrypt."""
        return next(iter(self._keys))

    @property
    def is_file(self) -> bool:
        """Whether the keys are in the file, not in the setting."""
        return self._setting is None

    def encrypt(self, secret: SecretStr) -> str:
        """Return the ciphertext, made with `key_id`.

        Raises:
            UserError: the key file has become unusable.
        """
        if self.is_file and self._changed_at() != self._read_at:
            self._load()  # another process has changed the keys: new secrets need the new ones
        return self._fernet.encrypt(secret.get_secret_value().encode()).decode()

    def decrypt(self, ciphertext: str, key_id: str) -> SecretStr:
        """Return what was encrypted.

        Raises:
            KeyMissing: the text says what to do.
            Unreadable: the ciphertext is broken.
        """
        if key_id not in self._keys:
            self._load()  # another process may have changed the keys
        if key_id not in self._keys:
            where = str(self._file) if self.is_file else "KILLREPORT_TOKEN_KEY"
            raise KeyMissing(
                f"tokens are encrypted with key {key_id}, which is not in {where}: put it back, behind the newest; "
                "or let the users sign in again"
            )
        try:
            return SecretStr(self._fernet.decrypt(ciphertext.encode()).decode())
        except InvalidToken:
            raise Unreadable(f"a token that was encrypted with key {key_id} is broken") from None

    def derive(self, purpose: str) -> str:
        """Return a secret for another purpose, derived from the newest key."""
        key = self._keys[self.key_id]
        return hmac.new(key.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def add_key(self) -> None:
        """Add a new key in front of those in the file.

        Raises:
            UserError: the keys are in the setting.
        """
        if not self.is_file:
            raise UserError(
                "the keys are in KILLREPORT_TOKEN_KEY: put a new one in front yourself "
                "(`killreport tokens new-key` prints one), a comma behind it"
            )
        _write(self._file, [new_key(), *self._keys.values()])
        self._load()

    def drop_keys_but(self, needed: Collection[str]) -> None:
        """Keep the needed keys, the newest, and the one before it, which another process may be about to use."""
        if self.is_file:
            newest = list(self._keys)[:2]
            _write(self._file, [key for key_id, key in self._keys.items() if key_id in newest or key_id in needed])
            self._load()


def _checked(keys: Sequence[str], where: str) -> list[str]:
    if not keys:
        raise UserError(f"{where} has no key in it; `killreport tokens new-key` prints one")
    for number, key in enumerate(keys, 1):
        try:
            Fernet(key)
        except ValueError:
            raise UserError(
                f"{where}: key {number} is not a Fernet key; `killreport tokens new-key` prints one"
            ) from None
    return list(keys)


def _keys_of_setting(setting: SecretStr) -> list[str]:
    keys = [key.strip() for key in setting.get_secret_value().split(",")]
    return _checked([key for key in keys if key], "KILLREPORT_TOKEN_KEY")


def _keys_of_file(path: Path) -> list[str]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, [new_key()], unless_there=True)
    if path.stat().st_mode & 0o077:
        raise UserError(f"others can read {path}, and with it every token: chmod 600 {path}")
    return _checked(path.read_text().split(), str(path))


def _write(path: Path, keys: Sequence[str], *, unless_there: bool = False) -> None:
    """Write the file atomically, readable by its owner only; of two processes that create it, the first wins."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # of mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write("\n".join(keys) + "\n")
            file.flush()
            os.fsync(file.fileno())
        if unless_there:
            with suppress(FileExistsError):
                os.link(name, path)
        else:
            Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)

"""The keys of users' tokens: where they come from, and what is said when they are not right."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from killreport_assets.base.errors import UserError
from killreport_assets.base.redaction import without_secrets
from killreport_assets.settings import load_settings
from killreport_assets.users.vault import KEY_FILE, Unreadable, Vault, new_key


def _vault(home: Path, key: str | None = None) -> Vault:
    return Vault(load_settings(home=home, token_key=key))


def test_the_key_file_is_made_on_first_use_and_its_owners_only(tmp_path: Path) -> None:
    first = _vault(tmp_path / "new" / "home")
    path = tmp_path / "new" / "home" / KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = _vault(tmp_path / "new" / "home")
    assert again.decrypt(first.encrypt(SecretStr("x")), first.key_id).get_secret_value() == "x"
    assert [entry.name for entry in path.parent.iterdir()] == [KEY_FILE]


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    _vault(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(UserError, match="chmod 600"):
        _vault(tmp_path)


def test_the_setting_goes_before_the_file_and_leaves_none(tmp_path: Path) -> None:
    vault = _vault(tmp_path, new_key())
    assert not (tmp_path / KEY_FILE).exists()
    with pytest.raises(UserError, match="put a new one in front yourself"):
        vault.add_key()


@pytest.mark.parametrize(
    ("keys", "says"), [("short", "key 1 is not a Fernet key"), ("", "has no key"), (" , ", "has no key")]
)
def test_a_key_that_is_none_is_said_without_being_shown(tmp_path: Path, keys: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        _vault(tmp_path, keys)
    assert "short" not in str(error.value)


def test_the_newest_key_encrypts_and_all_decrypt(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    before = _vault(tmp_path, old)
    sealed = before.encrypt(SecretStr("x"))
    after = _vault(tmp_path, f"{new},{old}")
    assert after.decrypt(sealed, before.key_id).get_secret_value() == "x"
    assert after.key_id != before.key_id
    with pytest.raises(UserError, match=f"{after.key_id}, which is not in KILLREPORT_TOKEN_KEY"):
        before.decrypt(after.encrypt(SecretStr("x")), after.key_id)


def test_what_runs_finds_the_key_that_another_process_has_made(tmp_path: Path) -> None:
    running, other = _vault(tmp_path), _vault(tmp_path)
    other.add_key()
    assert running.decrypt(other.encrypt(SecretStr("x")), other.key_id).get_secret_value() == "x"
    late = running.encrypt(SecretStr("y"))
    assert running.key_id == other.key_id  # nothing is encrypted with an old key from now on
    assert other.decrypt(late, running.key_id).get_secret_value() == "y"


def test_keys_are_dropped_only_when_nothing_needs_them(tmp_path: Path) -> None:
    vault = _vault(tmp_path)
    sealed, oldest = vault.encrypt(SecretStr("x")), vault.key_id
    vault.add_key()
    vault.add_key()
    assert vault.decrypt(sealed, oldest).get_secret_value() == "x"
    vault.drop_keys_but({oldest})
    assert vault.decrypt(sealed, oldest).get_secret_value() == "x"
    vault.drop_keys_but(set())
    assert len((tmp_path / KEY_FILE).read_text().split()) == 2
    with pytest.raises(UserError, match=oldest):
        vault.decrypt(sealed, oldest)


def test_of_two_that_make_the_file_the_first_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / KEY_FILE
    first = new_key()
    link = os.link

    def late(source: str, target: Path) -> None:
        path.write_text(first)
        path.chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    _vault(tmp_path)
    assert path.read_text() == first


@given(st.text(max_size=60), st.integers(0, 200))
def test_what_is_encrypted_is_decrypted_and_what_is_damaged_is_said(secret: str, at: int) -> None:
    vault = _vault(Path("/nowhere"), new_key())
    sealed = vault.encrypt(SecretStr(secret))
    assert vault.decrypt(sealed, vault.key_id).get_secret_value() == secret
    at %= len(sealed) - 4
    damaged = sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :]
    with pytest.raises(Unreadable):
        vault.decrypt(damaged, vault.key_id)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJDSEFSQUNURVI6RVZFOjEifQ.c2lnbmF0dXJl",
        "the token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJDSEFSQUNURVI6RVZFOjEifQ.c2lnbmF0dXJl is",
        "POST /v2/oauth/token grant_type=refresh_token&refresh_token=c2lnbmF0dXJl",
        "GET /callback?code=c2lnbmF0dXJl&state=1",
        "token_type_hint=refresh_token&token=c2lnbmF0dXJl",
        "Basic Y2xpZW50OmMybG5ibUYwZFhKbA== c2lnbmF0dXJl"[:38],
    ],
)
def test_should_a_token_get_into_a_log_line_it_is_taken_out(text: str) -> None:
    assert "c2lnbmF0dXJl" not in without_secrets(text)
    assert "eyJ" not in without_secrets(text)
    assert "***" in without_secrets(text)


@pytest.mark.parametrize("text", ["process ended with exit code=1", "tokens=5 of 30", "token 3 of 5"])
def test_what_only_looks_alike_stays(text: str) -> None:
    assert without_secrets(text) == text

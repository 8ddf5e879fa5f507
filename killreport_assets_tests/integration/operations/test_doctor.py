"""The doctor's findings: each thing is broken once, and found with what to do."""

import json
from pathlib import Path

import pytest

from killreport_assets.operations.backup import MANIFEST
from killreport_assets.operations.doctor import Finding, examine
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.settings import load_settings
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox


def _findings(check: str) -> list[Finding]:
    return [finding for finding in examine(load_settings()) if finding.check == check]


def test_a_sound_platform_has_no_problem(platform: Platform, command: Command) -> None:
    answer = command("doctor", "--json")
    found = json.loads(answer.stdout)
    assert answer.code == 0, found
    assert {finding["check"] for finding in found} >= {
        "setting",
        "disk",
        "schema",
        "clock",
        "sizes",
        "broker",
        "backup",
    }
    assert all(finding["remedy"] for finding in found if finding["state"] in {"warning", "problem"})


def test_where_a_setting_comes_from_is_said_and_no_secret(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    monkeypatch.setenv("KILLREPORT_SSO_CLIENT_SECRET_FILE", str(secret))
    monkeypatch.setenv("KILLREPORT_RUN_DAYS", "9")
    said = "\n".join(finding.says for finding in _findings("setting"))
    assert "KILLREPORT_RUN_DAYS = 9, from the environment" in said
    assert f"KILLREPORT_SSO_CLIENT_SECRET = **********, from the file {secret}" in said
    assert "hunter2" not in said


def test_open_files_old_backups_and_a_full_disk_are_found(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token-key").write_text("x")
    (tmp_path / "token-key").chmod(0o644)
    [finding] = _findings("permissions")
    assert (finding.state, finding.remedy) == ("problem", f"chmod 600 {tmp_path / 'token-key'}")
    made = tmp_path / "b" / "killreport-20200101T000000Z"
    made.mkdir(parents=True)
    monkeypatch.setenv("KILLREPORT_BACKUP_DIR", str(tmp_path / "b"))
    assert "there is no backup" in _findings("backup")[0].says
    manifest = dict.fromkeys(("killreport", "schema_version", "origin", "postgres"), "x")
    facts = manifest | {"made_at": "2020-01-01T00:00:00+00:00", "has_marts": True, "rows": {}, "files": {}}
    (made / MANIFEST).write_text(json.dumps(facts))
    assert _findings("backup")[0].state == "warning"
    monkeypatch.setenv("KILLREPORT_MIN_FREE_GIB", "1000000")
    assert _findings("disk")[0].state == "problem"


def test_a_key_that_opens_nothing_is_found(platform: Platform, sandbox: Sandbox, tmp_path: Path) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    assert [finding.state for finding in _findings("keys")] == ["ok"]
    (tmp_path / "token-key").unlink()
    [finding] = _findings("keys")
    assert (finding.state, finding.remedy) == ("problem", "put the key back")


def test_a_newer_schema_and_a_dead_server_are_found(platform: Platform, command: Command) -> None:
    platform.execute("update ops.alembic_version set version_num = '9999'")
    [finding] = _findings("schema")
    assert (finding.state, finding.remedy) == ("problem", "install the newer version")
    assert command("doctor").code == 1


def test_a_server_that_cannot_be_reached_is_one_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KILLREPORT_HOME", str(tmp_path))
    monkeypatch.setenv("KILLREPORT_DATABASE_URL", "postgresql://me:hunter2@127.0.0.1:9/none")
    [finding] = _findings("database")
    assert finding.state == "problem"
    assert "hunter2" not in finding.says


def test_looking_for_a_lost_key_makes_no_new_one(platform: Platform, sandbox: Sandbox, tmp_path: Path) -> None:
    platform.signed_in(sandbox.grant(BODIES_CHARACTER))
    (tmp_path / "token-key").unlink()
    assert _findings("keys")[0].state == "problem"
    assert not (tmp_path / "token-key").exists()

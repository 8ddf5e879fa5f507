"""Where HOME is when no setting says it: found from the project, not from where one stands."""

from pathlib import Path

import pytest

from killreport_assets.base.files import PACKAGE
from killreport_assets.settings import load_settings

PROJECT_FILE = (PACKAGE.parent / "pyproject.toml").read_text()


@pytest.fixture
def deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: three below `tmp_path`."""
    folder = tmp_path / "one" / "two" / "three"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


def test_without_anything_it_is_in_the_working_directory(deep: Path) -> None:
    assert load_settings().home == deep / ".killreport"


def test_an_existing_home_of_a_parent_is_found(deep: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / ".killreport").mkdir()
    assert load_settings().home == tmp_path / "one" / ".killreport"


def test_the_nearest_home_is_used(deep: Path, tmp_path: Path) -> None:
    (tmp_path / ".killreport").mkdir()
    (deep.parent / ".killreport").mkdir()
    assert load_settings().home == deep.parent / ".killreport"


def test_without_a_home_it_is_beside_the_projects_file(deep: Path, tmp_path: Path) -> None:
    (tmp_path / "one" / "pyproject.toml").write_text(PROJECT_FILE)
    assert load_settings().home == tmp_path / "one" / ".killreport"


def test_a_home_outside_the_project_is_not_the_projects(deep: Path, tmp_path: Path) -> None:
    (tmp_path / ".killreport").mkdir()
    (tmp_path / "one" / "pyproject.toml").write_text(PROJECT_FILE)
    assert load_settings().home == tmp_path / "one" / ".killreport"


@pytest.mark.parametrize("text", ['[project]\nname = "another"\n', "no TOML at all [", "\udcff\udcfe"])
def test_another_projects_file_does_not_count(deep: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "one" / "pyproject.toml").write_bytes(text.encode(errors="surrogateescape"))
    assert load_settings().home == deep / ".killreport"


def test_a_file_is_no_home(deep: Path, tmp_path: Path) -> None:
    (tmp_path / ".killreport").touch()
    assert load_settings().home == deep / ".killreport"


def test_a_home_of_another_user_is_not_found(deep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".killreport").mkdir()
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert load_settings().home == deep / ".killreport"


def test_a_setting_is_used_as_it_is(deep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".killreport").mkdir()
    monkeypatch.setenv("KILLREPORT_HOME", "other")
    assert load_settings().home == deep / "other"
    monkeypatch.setenv("KILLREPORT_HOME", "")
    assert load_settings().home == tmp_path / ".killreport"

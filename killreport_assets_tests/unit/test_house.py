"""The house rules: imports point down, modules open with a docstring and stay readable, tests mirror the rooms."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import killreport_assets_tests
from killreport_assets.base.files import PACKAGE

MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = {folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists()}
TESTS = Path(killreport_assets_tests.__file__).parent


def _name(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


def test_the_import_contracts_of_pyproject_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    checked = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_at_the_top_are_rooms_and_what_a_contract_needs() -> None:
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "definitions.py"}


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_opens_with_its_docstring_and_stays_readable(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))
    if "migrations" not in module.parts:
        assert len(module.read_text().splitlines()) <= 400


@pytest.mark.parametrize("tier", ["unit", "integration"])
def test_the_tests_are_in_folders_of_the_rooms(tier: str) -> None:
    folders = {folder.name for folder in (TESTS / tier).iterdir() if folder.is_dir() and folder.name != "__pycache__"}
    assert folders <= ROOMS
    loose = {path.name for path in (TESTS / tier).glob("test_*.py")}
    assert loose <= {"test_house.py", "test_vocabulary.py"}


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_the_formatter_is_used(module: Path) -> None:
    assert "fmt: " + "skip" not in module.read_text()
    assert "fmt: " + "off" not in module.read_text()

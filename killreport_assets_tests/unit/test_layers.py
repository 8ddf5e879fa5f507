"""The layers: imports only point down, and modules keep the house rules."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "killreport_assets"
BELOW = ("queues", "sources", "esi", "store", "sandbox")
DAGSTERS_IN_OPS = {"consume.py", "produce.py", "trace.py"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def _imports(module: Path) -> set[str]:
    tree = ast.parse(module.read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def _name(module: Path) -> str:
    return str(module.relative_to(PACKAGE))


@pytest.mark.parametrize("module", [m for m in MODULES if m.relative_to(PACKAGE).parts[0] in BELOW], ids=_name)
def test_nothing_below_the_line_imports_dagster_or_what_is_above(module: Path) -> None:
    above = ("assets", "jobs", "schedules", "sensors", "checks", "resources", "build", "definitions", "ops", "cli",
             "transforms", "main_job", "main_command", "dev_server", "instance")  # fmt: skip
    for name in _imports(module):
        assert not name.startswith("dagster"), name
        assert not name.startswith(tuple(f"killreport_assets.{layer}" for layer in above)), name


def test_the_drain_can_be_used_without_dagster() -> None:
    importers = {m.name for m in (PACKAGE / "ops").glob("*.py") if any(i.startswith("dagster") for i in _imports(m))}
    assert importers == DAGSTERS_IN_OPS


def test_ops_and_metadata_import_nothing_of_what_shows_them() -> None:
    for module in [*(PACKAGE / "ops").glob("*.py"), PACKAGE / "asset_metadata.py"]:
        for name in _imports(module):
            assert not name.startswith(("killreport_assets.assets", "killreport_assets.jobs")), (module, name)


def test_the_sign_in_page_needs_no_dagster() -> None:
    for module in [*(PACKAGE / "auth").glob("*.py"), PACKAGE / "user_cli.py"]:
        assert not any(name.startswith("dagster") for name in _imports(module)), module


def test_only_transforms_imports_dagster_dbt() -> None:
    importers = {_name(module) for module in MODULES if any(i.startswith("dagster_dbt") for i in _imports(module))}
    assert importers == {"transforms/definitions.py"}


def test_store_imports_nothing_of_the_services() -> None:
    for module in (PACKAGE / "store").rglob("*.py"):
        assert not any(i.startswith(("killreport_assets.esi", "killreport_assets.sources")) for i in _imports(module))


@pytest.mark.parametrize("module", MODULES, ids=_name)
def test_a_module_opens_with_its_docstring_and_stays_readable(module: Path) -> None:
    assert ast.get_docstring(ast.parse(module.read_text()))
    if "migrations" not in module.parts:
        assert len(module.read_text().splitlines()) <= 400

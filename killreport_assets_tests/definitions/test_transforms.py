"""The dbt code location, and the project's own rules over dbt's manifest."""

import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from killreport_assets.sandbox.app import service_urls
from killreport_assets.settings import load_settings
from killreport_assets.transforms.project import PROJECT, ensure_manifest

SANDBOX = {name.removeprefix("KILLREPORT_").lower(): url for name, url in service_urls(1).items()}
LAYERS = {"staging": "stg_", "intermediate": "int_", "marts": ("dim_", "fct_", "mart_")}
MAY_READ = {"staging": {"source"}, "intermediate": {"staging"}, "marts": {"staging", "intermediate", "marts"}}
KEYS_OF = {"unique", "unique_combination"}


@cache
def manifest() -> dict[str, Any]:
    """Dbt's manifest of the project as it is."""
    parsed: dict[str, Any] = json.loads(ensure_manifest().read_text())
    return parsed


def models() -> dict[str, dict[str, Any]]:
    """Every model by its unique id."""
    return {id_: node for id_, node in manifest()["nodes"].items() if node["resource_type"] == "model"}


def _tests_of(id_: str) -> set[str]:
    nodes = (manifest()["nodes"].get(child) for child in manifest()["child_map"][id_])
    return {node["test_metadata"]["name"] for node in nodes if node and node.get("test_metadata")}


@pytest.mark.parametrize("id_", models(), ids=lambda id_: id_.split(".")[-1])
def test_a_model_keeps_the_rules(id_: str) -> None:
    node = models()[id_]
    layer = node["config"]["schema"]
    assert node["name"].startswith(LAYERS[layer])
    assert node["description"]
    assert all(column["description"] for column in node["columns"].values())
    assert node["config"]["contract"]["enforced"] == (layer == "marts")
    assert _tests_of(id_) & KEYS_OF, "no test of its key"
    for parent in manifest()["parent_map"][id_]:
        read = "source" if parent.startswith("source.") else models()[parent]["config"]["schema"]
        assert read in MAY_READ[layer], parent


def test_no_relation_is_hard_coded() -> None:
    for node in models().values():
        for schema in ("raw.", "ops.", "marts.", "staging."):
            assert f"from {schema}" not in node["raw_code"]
            assert f"join {schema}" not in node["raw_code"]


def test_the_location_loads_with_its_tests_as_checks() -> None:
    from killreport_assets.transforms.definitions import build_defs

    defs = build_defs(load_settings(**SANDBOX))
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    assert len(graph.asset_check_keys) >= 60
    mart = graph.get(dg.AssetKey(["marts", "fct_killmails"]))
    assert mart.group_name == "marts"
    assert dg.AssetKey(["staging", "stg_killmails"]) in mart.parent_keys
    staging = graph.get(dg.AssetKey(["staging", "stg_killmails"]))
    assert staging.parent_keys == {dg.AssetKey(["raw", "killmails"])}
    assert graph.get(dg.AssetKey(["staging", "stg_enrichments"])).parent_keys == {dg.AssetKey(["ops", "enrichments"])}


def test_processes_that_start_at_once_on_a_fresh_clone_read_a_whole_manifest(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(PROJECT, clone / "dbt_transforms", ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(PROJECT.parent / "killreport_assets", clone / "killreport_assets")
    read = "import json; from killreport_assets.transforms.project import *; json.loads(ensure_manifest().read_text())"
    environment = os.environ | {"PYTHONPATH": str(clone)}
    processes = [subprocess.Popen([sys.executable, "-c", read], cwd=clone, env=environment) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert [file.name for file in (clone / "dbt_transforms" / "target").glob("*.json")] == ["manifest.json"]

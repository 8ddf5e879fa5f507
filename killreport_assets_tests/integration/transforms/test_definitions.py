"""The dbt code location, and the project's own rules over dbt's manifest."""

import csv
import fnmatch
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from killreport_assets.base.files import PACKAGE
from killreport_assets.cli.sql import named_queries
from killreport_assets.sandbox.process import service_urls
from killreport_assets.settings import load_settings
from killreport_assets.transforms.charts import CHARTS
from killreport_assets.transforms.definition_lock import current_definitions, locked_definitions, unversioned
from killreport_assets.transforms.dictionary import SEED, changes, generated_files
from killreport_assets.transforms.project import PROJECT, ensure_manifest, target_folder
from killreport_assets.web.entities import KINDS

SANDBOX = {name.removeprefix("KILLREPORT_").lower(): url for name, url in service_urls(1).items()}
LAYERS = {"staging": "stg_", "intermediate": "int_", "marts": ("dim_", "fct_", "mart_")}
MAY_READ = {
    "staging": {"source"},
    "intermediate": {"staging", "intermediate"},
    "marts": {"staging", "intermediate", "marts"},
}
KEYS_OF = {"unique", "unique_combination_of_columns"}


HOME = Path(".killreport").resolve()
"""Where the manifest of the last run may be reused."""


@cache
def manifest() -> dict[str, Any]:
    """Dbt's manifest of the project as it is."""
    parsed: dict[str, Any] = json.loads(ensure_manifest("killreport", HOME).read_text())
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
        if parent.startswith("seed."):
            continue
        read = "source" if parent.startswith("source.") else manifest()["nodes"][parent]["config"]["schema"]
        assert read in MAY_READ[layer], parent


def test_no_relation_is_hard_coded() -> None:
    for node in models().values():
        for schema in ("raw.", "ops.", "marts.", "staging."):
            assert f"from {schema}" not in node["raw_code"]
            assert f"join {schema}" not in node["raw_code"]


def test_every_reader_of_a_mart_is_an_exposure() -> None:
    readers = {
        "killreport_query": "".join(named_queries().values()),
        "materialization_charts": "".join(query for _, query, _ in CHARTS.values()),
        "run_summary": (PROJECT.parent / "killreport_assets" / "cli" / "run.py").read_text(),
    }
    exposures = {exposure["name"]: exposure for exposure in manifest()["exposures"].values()}
    assert exposures.keys() == readers.keys() | {"web_application"}
    web = "".join(file.read_text() for file in (PACKAGE / "web").rglob("*.py"))
    by_kind = {f"mart_{kind}_{level}" for kind in KINDS for level in ("daily", "monthly", "all_time")}
    public = {node["name"] for node in manifest()["nodes"].values() if node.get("access") == "public"} | {
        "mart_metrics",
        "mart_metric_changes",
    }
    read = {name for name in public if re.search(rf"\b{name}\b", web)} | by_kind
    assert read == {id_.split(".")[-1] for id_ in exposures["web_application"]["depends_on"]["nodes"]}
    for name, text in readers.items():
        described_columns = {id_.split(".")[-1] for id_ in exposures[name]["depends_on"]["nodes"]}
        assert described_columns == set(re.findall(r"\bmarts\.(\w+)", text)), name
    of_the_package = {
        str(file.relative_to(PACKAGE))
        for file in PACKAGE.rglob("*.py")
        if re.search(r"\bmarts\.\w+_", file.read_text()) and "web" not in file.parts
    }
    assert of_the_package <= {
        "cli/main.py",
        "cli/run.py",
        "database/migrations/versions/v0004_statistics.py",
        "transforms/charts.py",
        "transforms/dictionary.py",
    }


def _dictionary() -> list[dict[str, str]]:
    with SEED.open(newline="") as file:
        return list(csv.DictReader(file))


def test_dbts_documentation_opens_on_a_page_whose_links_lead_to_public_tables() -> None:
    page = manifest()["docs"]["doc.killreport.__overview__"]["block_contents"]
    linked = re.findall(r"\(#!/(model|seed)/([\w.]+)\)", page)
    assert len(linked) > 15
    assert page.count("](") == len(linked)
    for kind, id_ in linked:
        node = manifest()["nodes"][id_]
        assert (node["resource_type"], node["config"]["schema"]) == (kind, "marts")


def test_a_definition_that_changed_has_another_version_and_says_in_whose_numbers() -> None:
    current, locked = current_definitions(manifest()), locked_definitions()
    assert current == locked, "what to do is in killreport_assets/transforms/definition_lock.py"
    changed = Counter(f"{row['name']} of {row['model']}" for row in changes())
    versions = {metric: int(locked.split()[0]) for metric, locked in locked["metrics"].items()}
    assert changed.keys() <= versions.keys()
    assert {metric: 1 + changed[metric] for metric in versions} == versions
    numbered = [(row["name"], row["model"], int(row["version"])) for row in changes()]
    assert {version for *_, version in numbered} >= {2}
    assert all((name, model, version - 1) in numbered for name, model, version in numbered if version > 2)


def test_a_definition_cannot_change_under_its_version() -> None:
    locked = locked_definitions()
    metric, known = next(iter(locked["metrics"].items()))
    other = {"models": {}, "metrics": {metric: f"{known.split()[0]} another"}}
    raised = {"models": {}, "metrics": {metric: f"{int(known.split()[0]) + 1} another"}}
    assert unversioned(locked, other) == [metric]
    assert unversioned(locked, raised) == []


def test_what_is_no_meaning_is_no_change_and_a_called_macro_is() -> None:
    def with_sql(model: str, macro: str) -> dict[str, str]:
        node = {
            "name": "m",
            "resource_type": "model",
            "raw_code": model,
            "depends_on": {"macros": ["macro.killreport.a"]},
        }
        macros = {
            "macro.killreport.a": {"macro_sql": "a", "depends_on": {"macros": ["macro.killreport.b", "macro.dbt.c"]}},
            "macro.killreport.b": {"macro_sql": macro, "depends_on": {"macros": ["macro.killreport.a"]}},
        }
        return current_definitions({"nodes": {"m": node}, "macros": macros})["models"]

    before = with_sql("select 1", "b")
    assert with_sql("{#- why\n -#}\nselect  1 -- one", "b") == before
    assert with_sql("select 1", "c") != before
    assert with_sql("select 2", "b") != before


def test_every_metric_is_of_a_model_that_there_is() -> None:
    names = {node["name"] for node in models().values()}
    for metric in _dictionary():
        for pattern in metric["model"].split(", "):
            assert fnmatch.filter(names, pattern), metric


def test_every_column_of_a_mart_is_in_the_dictionary() -> None:
    described = [(metric["name"], metric["model"].split(", ")) for metric in _dictionary()]
    missing = {
        (node["name"], column)
        for node in models().values()
        if node["config"]["schema"] == "marts"
        for column in node["columns"]
        if not any(name == column and any(fnmatch.fnmatch(node["name"], p) for p in of) for name, of in described)
    }
    assert missing == set()


NAME_OF = {"ship_type": "ship", "item_type": "item", "weapon_type": "weapon"}
UNNAMED = {
    *("killmail_id", "first_killmail_id", "last_killmail_id", "war_id", "moon_id"),
    *("fit_id", "typical_fit_id", "family_id"),
    *("battle_id", "former_battle_id", "lost_killmail_id", "session_id"),
    *("campaign_id", "structure_id"),
}


def test_every_id_of_a_fact_or_mart_has_its_name_beside_it() -> None:
    for node in models().values():
        if node["name"].startswith(("fct_", "mart_")):
            columns = node["columns"]
            ids = [column.removesuffix("_id") for column in columns if column.endswith("_id") and column not in UNNAMED]
            for id_ in ids:
                spoken = id_
                for type_, name in NAME_OF.items():
                    spoken = spoken.replace(type_, name)
                names = {"entity_name", f"{id_}_name", f"{spoken}_name"}
                assert names & columns.keys(), (node["name"], id_)


def test_every_mart_and_dimension_declares_its_key() -> None:
    for node in models().values():
        if node["config"]["schema"] == "marts":
            keys = [constraint["type"] for constraint in node["constraints"]]
            assert keys.count("primary_key") == 1, node["name"]


def test_a_sum_of_isk_stands_beside_what_has_no_price() -> None:
    for node in models().values():
        if node["config"]["schema"] == "marts":
            for isk, unpriced in (("isk_destroyed", "unpriced_kills"), ("isk_lost", "unpriced_losses")):
                assert isk not in node["columns"] or unpriced in node["columns"], (node["name"], isk)
            assert "total_value" not in node["columns"] or "is_hull_priced" in node["columns"], node["name"]


def test_the_dictionarys_page_is_that_of_the_seed() -> None:
    for path, text in generated_files().items():
        assert path.read_text() == text, f"{path.name} is not what the dictionary says: make docs"


def test_tables_say_how_old_they_may_become() -> None:
    from killreport_assets.transforms.definitions import NIGHTLY_MODELS, build_defs

    graph = build_defs(load_settings(**SANDBOX)).resolve_asset_graph()
    with_policy = {key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is not None}
    assert with_policy >= NIGHTLY_MODELS
    assert dg.AssetKey(["marts", "mart_region_daily"]) in with_policy
    assert dg.AssetKey(["marts", "fct_killmails"]) not in with_policy  # a view is as old as what it reads


def test_the_location_loads_with_its_tests_as_checks() -> None:
    from killreport_assets.transforms.definitions import build_defs

    defs = build_defs(load_settings(**SANDBOX))
    dg.Definitions.validate_loadable(defs)
    graph = defs.resolve_asset_graph()
    assert len(graph.asset_check_keys) >= 190
    mart = graph.get(dg.AssetKey(["marts", "fct_killmails"]))
    assert mart.group_name == "marts"
    assert dg.AssetKey(["intermediate", "int_killmails"]) in mart.parent_keys
    for model, (title, _, _) in CHARTS.items():
        assert f"![{title}](/charts/marts/{model}.png)" in (graph.get(dg.AssetKey(["marts", model])).description or "")
    staging = graph.get(dg.AssetKey(["staging", "stg_killmails"]))
    assert staging.parent_keys == {dg.AssetKey(["raw", "killmails"])}
    assert graph.get(dg.AssetKey(["staging", "stg_enrichments"])).parent_keys == {dg.AssetKey(["ops", "enrichments"])}


def test_processes_that_start_at_once_on_a_fresh_clone_read_a_whole_manifest(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    shutil.copytree(PROJECT, clone / "dbt_transforms", ignore=shutil.ignore_patterns("target", "logs"))
    shutil.copytree(PROJECT.parent / "killreport_assets", clone / "killreport_assets")
    read = "import json; from pathlib import Path; from killreport_assets.transforms.project import *; "
    read += "json.loads(ensure_manifest('killreport', Path('home').resolve()).read_text())"
    environment = os.environ | {"PYTHONPATH": str(clone)}
    processes = [subprocess.Popen([sys.executable, "-c", read], cwd=clone, env=environment) for _ in range(3)]
    assert [process.wait(120) for process in processes] == [0, 0, 0]
    assert [file.name for file in target_folder(clone / "home").glob("*.json")] == ["manifest-killreport.json"]


def test_a_manifest_is_that_of_a_databases_name(tmp_path: Path) -> None:
    # Row counts and columns of a materialization are asked for by the relation's full name.
    named = json.loads(ensure_manifest("another", tmp_path).read_text())
    assert {node["database"] for node in named["nodes"].values()} == {"another"}
    assert {node["database"] for node in manifest()["nodes"].values()} == {"killreport"}


def test_columns_are_described_again_only_while_an_asset_says_nothing_of_them(instance: dg.DagsterInstance) -> None:
    from killreport_assets.transforms.definitions import described

    model, seed, unknown = (dg.AssetKey(["marts", name]) for name in ("fct_items", "mart_metrics", "dim_types"))
    schema = dg.TableSchema([dg.TableColumn("name", "text")])
    lineage = dg.TableColumnLineage({"name": [dg.TableColumnDep(unknown, "type_name")]})
    described_columns = {"dagster/column_schema": schema}
    for key, metadata in (
        (model, described_columns | {"dagster/column_lineage": lineage}),
        (seed, described_columns),
        (unknown, {"status": "ok"}),
    ):
        instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=metadata))
    known = described(instance, [model, seed, unknown])
    assert known.keys() == {model, seed}
    assert known[model]["dagster/column_lineage"].value == lineage

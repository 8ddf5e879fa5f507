"""The definitions of the marts as digests, in definitions.lock.json: a change of one cannot go unnoticed.

A test compares them. After a change: raise `version` of the metrics that mean something else in seeds/mart_metrics.csv,
say in seeds/mart_metric_changes.csv what changed in whose numbers and which models must be built again, then
`python -m killreport_assets.transforms.definition_lock`. Imports no dagster.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from killreport_assets.settings import load_settings
from killreport_assets.transforms.dictionary import dictionary
from killreport_assets.transforms.project import PROJECT, ensure_manifest

LOCK = PROJECT / "definitions.lock.json"
MEANING = ("definition", "unit", "grain", "source")
"""What a row of the dictionary defines; who agrees and where it misleads is no part of it."""
Locked = dict[str, dict[str, str]]


def current_definitions(manifest: Mapping[str, Any]) -> Locked:
    """A digest of each model's SQL with the macros that it calls, and the version and a digest of each metric."""
    models = {
        node["name"]: _digest(*_sql_of(manifest, node))
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
    }
    metrics = {
        f"{row['name']} of {row['model']}": f"{row['version']} {_digest(*(row[name] for name in MEANING))}"
        for row in dictionary()
    }
    return {"models": dict(sorted(models.items())), "metrics": dict(sorted(metrics.items()))}


def locked_definitions() -> Locked:
    """The definitions as they were last accepted."""
    locked: Locked = json.loads(LOCK.read_text())
    return locked


def unversioned(locked: Locked, current: Locked) -> list[str]:
    """Metrics whose definition differs although their version is the same."""
    return [
        metric
        for metric, now in current["metrics"].items()
        if metric in locked["metrics"]
        and locked["metrics"][metric] != now
        and locked["metrics"][metric].split()[0] == now.split()[0]
    ]


def _sql_of(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[str]:
    """Its SQL and that of its macros, without comments and blanks."""
    called, left = set[str](), list(node["depends_on"]["macros"])
    while left:
        macro = left.pop()
        if macro.startswith("macro.killreport.") and macro not in called:
            called.add(macro)
            left += manifest["macros"][macro]["depends_on"]["macros"]
    for sql in (node["raw_code"], *(manifest["macros"][macro]["macro_sql"] for macro in sorted(called))):
        yield " ".join(re.sub(r"\{#.*?#\}|--[^\n]*", " ", sql, flags=re.DOTALL).split())


def _digest(*texts: str) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def main() -> None:
    """Accept the definitions as they are now, unless a metric means something else under the same version."""
    settings = load_settings()
    current = current_definitions(json.loads(Path(ensure_manifest("killreport", settings.home)).read_text()))
    locked: Locked = locked_definitions() if LOCK.exists() else {"models": {}, "metrics": {}}
    if wrong := unversioned(locked, current):
        sys.exit(
            f"raise the version in seeds/mart_metrics.csv, and add a row to seeds/mart_metric_changes.csv: {wrong}"
        )
    changed = [name for name, digest in current["models"].items() if locked["models"].get(name, digest) != digest]
    LOCK.write_text(json.dumps(current, indent=1) + "\n")
    if changed:
        sys.stdout.write(f"the SQL of these models changed: {', '.join(changed)}\n")
        sys.stdout.write("if their numbers do, too, a row of seeds/mart_metric_changes.csv must rebuild them\n")


if __name__ == "__main__":
    main()

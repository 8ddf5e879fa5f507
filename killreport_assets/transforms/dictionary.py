"""The dictionary of metrics, and the files generated from it: docs/metrics.md and the marts' properties.

`python -m killreport_assets.transforms.dictionary` writes them (`make docs`); a test checks that they are up to date.
Imports no dagster.
"""

import csv
from itertools import groupby
from pathlib import Path

from killreport_assets.base.files import PACKAGE
from killreport_assets.transforms.mart_properties import mart_properties
from killreport_assets.transforms.project import PROJECT

SEED = PROJECT / "seeds" / "mart_metrics.csv"
CHANGES = PROJECT / "seeds" / "mart_metric_changes.csv"
MARTS = PROJECT / "models" / "marts"
METRICS_PAGE = PACKAGE.parent / "docs" / "metrics.md"
METRICS_PAGE_HEAD = """\
# The dictionary of metrics

Every number of the marts: what it means, whose definition it is, which peer shows the same one, and where it misleads.
Where peers differ, each variant has a name of its own. zKillboard's definitions are read from its code at commit
2baf6057 (2026-08-21), EVE-KILL's from its server Shrike (2026). The same rows are the table `marts.mart_metrics`; made
from `dbt_transforms/seeds/mart_metrics.csv` by `make docs`. A definition that was changed has a version above 1; what
changed in whose numbers is at the end, and in the table `marts.mart_metric_changes`.
"""


def dictionary() -> list[dict[str, str]]:
    """All metrics, as rows of the seed mart_metrics."""
    with SEED.open(newline="") as file:
        return list(csv.DictReader(file))


def changes() -> list[dict[str, str]]:
    """All changes of definitions, as rows of the seed mart_metric_changes, oldest first."""
    with CHANGES.open(newline="") as file:
        return list(csv.DictReader(file))


def generated_files() -> dict[Path, str]:
    """The texts of all files generated from the dictionary, by path."""
    properties = mart_properties(dictionary())
    return {METRICS_PAGE: metrics_page()} | {MARTS / name: text for name, text in properties.items()}


def metrics_page() -> str:
    """The text of docs/metrics.md."""
    parts = [METRICS_PAGE_HEAD]
    for model, metrics in groupby(dictionary(), key=lambda row: row["model"]):
        parts.append(f"\n## {model}\n")
        for row in metrics:
            facts = [f"version {row['version']}"] if row["version"] != "1" else []
            facts += [f"by {row['grain']}", row["unit"], f"defined by {row['source']}"]
            facts += [f"agrees with {row['agrees_with']}"] if row["agrees_with"] else []
            parts.append(f"\n**{row['name']}**: {row['definition']}. *{'; '.join(facts)}.*")
            parts.append(f" Known bias: {row['known_biases']}.\n" if row["known_biases"] else "\n")
    parts.append("\n## Changes of definitions\n\n")
    parts += [
        f"* {row['changed_on']}, **{row['name']}** of {row['model']}, version {row['version']}: {row['change']}. "
        f"*In the numbers of: {row['whose']}.*\n"
        for row in reversed(changes())
    ]
    return "".join(parts)


if __name__ == "__main__":
    for path, text in generated_files().items():
        path.write_text(text)

"""docs/metrics.md: the dictionary of metrics as a page, made from the seed mart_metrics. Imports no dagster.

`python -m killreport_assets.transforms.metrics_page` writes it; a test compares.
"""

import csv
from itertools import groupby

from killreport_assets.base.files import PACKAGE
from killreport_assets.transforms.project import PROJECT

SEED = PROJECT / "seeds" / "mart_metrics.csv"
PAGE = PACKAGE.parent / "docs" / "metrics.md"
HEAD = """\
# The dictionary of metrics

Every number of the marts: what it means, whose definition it is, which peer shows the same one, and where it misleads.
Where peers differ, each variant has a name of its own. zKillboard's definitions are read from its code at commit
2baf6057 (2026-08-21), EVE-KILL's from its server Shrike (2026). The same rows are the table `marts.mart_metrics`; made
from `dbt_transforms/seeds/mart_metrics.csv` by `make docs`.
"""


def metrics_page() -> str:
    """The page as Markdown."""
    with SEED.open(newline="") as file:
        rows = list(csv.DictReader(file))
    parts = [HEAD]
    for model, metrics in groupby(rows, key=lambda row: row["model"]):
        parts.append(f"\n## {model}\n")
        for row in metrics:
            facts = [f"by {row['grain']}", row["unit"], f"defined by {row['source']}"]
            facts += [f"agrees with {row['agrees_with']}"] if row["agrees_with"] else []
            parts.append(f"\n**{row['name']}**: {row['definition']}. *{'; '.join(facts)}.*")
            parts.append(f" Known bias: {row['known_biases']}.\n" if row["known_biases"] else "\n")
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(metrics_page())

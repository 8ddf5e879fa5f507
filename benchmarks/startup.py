"""How long it takes to import the platform's definitions, compiled, beside importing dagster alone."""

import subprocess
import sys
from collections.abc import Iterator

from benchmarks.result import Result

TRIES = 5


def measure() -> Iterator[Result]:
    """The best of several imports, each in a new process."""
    dagster, platform = _seconds("dagster"), _seconds("killreport_assets.definitions")
    yield Result("import dagster", dagster, "s")
    yield Result(
        "import the platform's definitions",
        platform,
        "s",
        "import dagster",
        platform / dagster,
        "under 4 s",
        platform < 4,
    )


def _seconds(module: str) -> float:
    code = f"import time; start = time.monotonic(); import {module}; print(time.monotonic() - start)"
    command = [sys.executable, "-W", "ignore", "-c", code]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(TRIES))

"""A daemon over a workspace of a test: `python -m killreport_assets_testing.daemon WORKSPACE`; no other one leads."""

import sys
from pathlib import Path

from killreport_assets.base.stopping import stop_on_signals
from killreport_assets.orchestration.instance import enter_dagster_environment
from killreport_assets.orchestration.leader import lead
from killreport_assets.settings import load_settings

if __name__ == "__main__":
    stop_on_signals()
    settings = load_settings()
    enter_dagster_environment(settings)
    lead(settings, Path(sys.argv[1]), lambda line: print(line, flush=True))  # noqa: T201

"""The platform's code location: all of it that Dagster sees. The dbt tables are in transforms/definitions.py."""

from killreport_assets.build import build_defs
from killreport_assets.logs import configure_logging
from killreport_assets.settings import load_settings

configure_logging(load_settings())
defs = build_defs()

"""The platform's code location: all of it that Dagster sees. The dbt tables are in transforms/definitions.py."""

from killreport_assets.build import build_defs

defs = build_defs()

"""The platform's code location: all of it that Dagster sees. The dbt tables are in transforms/definitions.py."""

from killreport_assets.base.logs import configure_logging
from killreport_assets.base.network import never_proxy_loopback
from killreport_assets.orchestration.build import build_defs
from killreport_assets.settings import load_settings

never_proxy_loopback()
settings = load_settings()
configure_logging(settings.process.log_format, settings.process.log_level)
defs = build_defs(settings)

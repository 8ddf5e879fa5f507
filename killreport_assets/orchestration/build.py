"""The platform's definitions: the only module that combines assets, jobs, schedules, sensors, checks and resources."""

import dagster as dg

from killreport_assets.orchestration.assets.entities import ENTITY_ASSETS
from killreport_assets.orchestration.assets.external import EXTERNAL_ASSETS
from killreport_assets.orchestration.assets.history import days_are_complete, history_days_asset
from killreport_assets.orchestration.assets.killmails import killmails
from killreport_assets.orchestration.assets.lake import lake
from killreport_assets.orchestration.assets.market import MARKET_ASSETS
from killreport_assets.orchestration.assets.sovereignty import sovereignty
from killreport_assets.orchestration.assets.static_data import static_data
from killreport_assets.orchestration.assets.users import users
from killreport_assets.orchestration.assets.wars import wars_asset
from killreport_assets.orchestration.checks.killmails import CHECKS
from killreport_assets.orchestration.checks.lineage import LINEAGE_CHECKS
from killreport_assets.orchestration.checks.users import USER_CHECKS
from killreport_assets.orchestration.jobs import JOBS
from killreport_assets.orchestration.resources import build_resources
from killreport_assets.orchestration.schedules import build_schedules
from killreport_assets.orchestration.sensors.backlog import build_backlog_sensors
from killreport_assets.orchestration.sensors.dead_letters import build_dead_letters_sensor
from killreport_assets.orchestration.sensors.feed import build_feed_sensor
from killreport_assets.settings import Settings, load_settings


def build_defs(settings: Settings | None = None) -> dg.Definitions:
    """The platform's code location.

    Raises:
        UserError: a setting is wrong.
    """
    settings = settings or load_settings()
    return dg.Definitions(
        assets=[
            killmails,
            history_days_asset,
            wars_asset,
            sovereignty,
            lake,
            *ENTITY_ASSETS,
            static_data,
            *MARKET_ASSETS,
            users,
            *EXTERNAL_ASSETS,
        ],
        asset_checks=[days_are_complete, *CHECKS, *LINEAGE_CHECKS, *USER_CHECKS],
        jobs=JOBS,
        schedules=build_schedules(settings),
        sensors=[build_feed_sensor(settings), build_dead_letters_sensor(settings), *build_backlog_sensors(settings)],
        resources=build_resources(settings),
        # Steps run in the run's process: a worker is a single step, and another process would only add seconds.
        executor=dg.in_process_executor,
    )

"""Checks of users' sign-ins and lists; they run with every materialization of ops/users."""

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.base.text import printable
from killreport_assets.orchestration.metadata import asset_key
from killreport_assets.settings import Settings
from killreport_assets.store.schema.users import users
from killreport_assets.users.health import check_users
from killreport_assets.users.killmail_lists import intervals

MAX_SHOWN = 20


@dg.asset_check(asset=asset_key(users))
def no_sign_in_is_about_to_end(
    settings: dg.ResourceParam[Settings], database: dg.ResourceParam[Engine]
) -> dg.AssetCheckResult:
    """No user has a sign-in that has ended, cannot be renewed, or has not been renewed for an hour."""
    with database.connect() as connection:
        ending = check_users(connection, intervals(settings)).ending
    shown = {str(character_id): printable(reason) for character_id, reason in list(ending.items())[:MAX_SHOWN]}
    return dg.AssetCheckResult(
        passed=not ending, severity=dg.AssetCheckSeverity.WARN, metadata={"users": len(ending), **shown}
    )


@dg.asset_check(asset=asset_key(users))
def every_list_is_read_in_time(
    settings: dg.ResourceParam[Settings], database: dg.ResourceParam[Engine]
) -> dg.AssetCheckResult:
    """No list of a user or corporation was left unread for twice its interval."""
    with database.connect() as connection:
        late = check_users(connection, intervals(settings)).late
    return dg.AssetCheckResult(
        passed=not late,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"lists": len(late), "some": printable(", ".join(late[:MAX_SHOWN]))},
    )


USER_CHECKS = [no_sign_in_is_about_to_end, every_list_is_read_in_time]

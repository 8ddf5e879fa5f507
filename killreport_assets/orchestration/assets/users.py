"""The asset ops/users: materializing it updates users' corporations and publishes the killmail lists that are due."""

from collections.abc import Iterator

import dagster as dg
from pydantic import Field, PositiveInt
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.orchestration.assets.external import ESI, SSO
from killreport_assets.orchestration.metadata import Metadata, asset_key, table_metadata, table_spec
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.settings import Settings
from killreport_assets.store.schema.users import users as users_table
from killreport_assets.users.store import count_by_state
from killreport_assets.users.syncs import queue_due, queue_now


class UsersConfig(dg.Config):
    """The users whose killmail lists to publish."""

    character_ids: list[PositiveInt] = Field(
        [], description="users whose lists to publish now, as urgent; empty: all due lists"
    )


@dg.multi_asset(name="users", specs=[table_spec(users_table, "users", [SSO.key, ESI.key])])
def users(
    context: dg.AssetExecutionContext,
    config: UsersConfig,
    settings: dg.ResourceParam[Settings],
    database: dg.ResourceParam[Engine],
    broker: dg.ResourceParam[WorkBroker],
    esi: dg.ResourceParam[EsiClient],
) -> Iterator[dg.MaterializeResult[None]]:
    """Publish the killmail lists that are due."""
    metadata: Metadata = {}
    if config.character_ids:
        lists = queue_now(database, broker, config.character_ids, esi=esi, run_id=context.run_id)
        metadata["lists queued"] = lists
    else:
        queued = queue_due(database, broker, esi, settings, run_id=context.run_id)
        metadata |= {
            "users due": queued.due_users,
            "corporations due": queued.due_corporations,
            "requested": queued.requested,
            "published": queued.published,
        }
    with database.connect() as connection:
        metadata |= {f"users {state}": count for state, count in count_by_state(connection).items()}
    yield dg.MaterializeResult(asset_key(users_table), metadata=metadata | table_metadata(database, users_table))

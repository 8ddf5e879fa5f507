"""Dagster's resources: each builds one plain object from the settings, and closes it after the run.

The objects themselves come from packages that do not import Dagster.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.database.reconnect import retry_on_lost_connection
from killreport_assets.esi.client import EsiClient
from killreport_assets.provision.database import open_database
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.sources.sde import StaticData
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.workers.handler import WorkerContext


class _Closable(Protocol):
    def close(self) -> None: ...


def _reconnect_seconds(context: dg.InitResourceContext) -> float:
    """A run waits for an unreachable server; a sensor's tick fails at once."""
    settings: Settings = context.resources.settings
    return settings.database.reconnect_seconds if context.run is not None else 0.0


@contextmanager
def _database(context: dg.InitResourceContext) -> Iterator[Engine]:
    settings: Settings = context.resources.settings
    engine = retry_on_lost_connection(lambda: open_database(settings), _reconnect_seconds(context))
    yield engine
    engine.dispose()


@contextmanager
def _broker(context: dg.InitResourceContext) -> Iterator[WorkBroker]:
    settings, database = context.resources.settings, context.resources.database
    broker = retry_on_lost_connection(lambda: connect_broker(settings, database), _reconnect_seconds(context))
    yield broker
    broker.close()


@contextmanager
def _worker_context(context: dg.InitResourceContext) -> Iterator[WorkerContext]:
    resources = context.resources
    made = WorkerContext(resources.settings, resources.database, resources.esi, resources.zkillboard)
    with made.cleanup:
        yield made


def _client(make: Callable[[Any], _Closable], *needs: str, description: str) -> dg.ResourceDefinition:
    """A client that is built from the resources it needs, and closed after the run."""

    @contextmanager
    def made(context: dg.InitResourceContext) -> Iterator[_Closable]:
        client = make(context.resources)
        yield client
        client.close()

    return dg.ResourceDefinition(made, required_resource_keys={"settings", *needs}, description=description)


def build_resources(settings: Settings) -> dict[str, object]:
    """All resources, by the name that assets and ops use."""
    return {
        "settings": settings,
        "database": dg.ResourceDefinition(
            _database,
            required_resource_keys={"settings"},
            description="PostgreSQL: the embedded one, or KILLREPORT_DATABASE_URL; migrated and of the right origin",
        ),
        "broker": dg.ResourceDefinition(
            _broker,
            required_resource_keys={"settings", "database"},
            description="The work queues: RabbitMQ where KILLREPORT_AMQP_URL is set, else PGMQ",
        ),
        "worker_context": dg.ResourceDefinition(
            _worker_context,
            required_resource_keys={"settings", "database", "esi", "zkillboard"},
            description="What the handlers of the work queues are built with",
        ),
        "esi": _client(
            lambda resources: EsiClient(resources.settings, resources.database),
            "database",
            description="EVE's API, within the shared request budget",
        ),
        "zkillboard": _client(
            lambda resources: Zkillboard(resources.settings, resources.database),
            "database",
            description="zKillboard's lists, at the shared rate",
        ),
        "r2z2": _client(
            lambda resources: R2z2Feed(resources.settings, resources.database),
            "database",
            description="zKillboard's live feed, at the shared rate",
        ),
        "everef_market": _client(
            lambda resources: MarketHistory(resources.settings), description="EVE Ref's daily market history"
        ),
        "static_data": _client(
            lambda resources: StaticData(resources.settings), description="CCP's static data export"
        ),
    }

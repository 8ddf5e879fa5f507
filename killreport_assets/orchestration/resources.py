"""Dagster's resources: each builds one plain object from the settings, and lets go of it after the run.

What the objects do is in store/, queues/, esi/ and sources/, which know nothing of Dagster.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy.engine import Engine

from killreport_assets.database.reconnect import patiently
from killreport_assets.esi.client import EsiClient
from killreport_assets.provision.database import open_database
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings, load_settings
from killreport_assets.sources.everef import EveRef
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.sources.sde import StaticData
from killreport_assets.sources.zkillboard import Zkillboard
from killreport_assets.users.tokens import TokenKeeper, token_keeper


def _patience(context: dg.InitResourceContext, settings: Settings) -> float:
    """A run waits for a server that is away; a sensor's tick says so at once."""
    return settings.database.reconnect_seconds if context.run is not None else 0.0


class DatabaseResource(dg.ConfigurableResource[Engine]):
    """PostgreSQL: the embedded one, or `KILLREPORT_DATABASE_URL`; migrated and of the right origin."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Engine]:
        settings = load_settings()
        engine = patiently(lambda: open_database(settings), _patience(context, settings))
        yield engine
        engine.dispose()


class BrokerResource(dg.ConfigurableResource[WorkBroker]):
    """The work queues: RabbitMQ where `KILLREPORT_AMQP_URL` is set, else PGMQ."""

    database: dg.ResourceDependency[Engine]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[WorkBroker]:
        settings = load_settings()
        broker = patiently(lambda: connect_broker(settings, self.database), _patience(context, settings))
        yield broker
        broker.close()


class EsiResource(dg.ConfigurableResource[EsiClient]):
    """EVE's API, within the shared budget."""

    database: dg.ResourceDependency[Engine]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[EsiClient]:
        client = EsiClient(load_settings(), self.database)
        yield client
        client.close()


class TokenKeeperResource(dg.ConfigurableResource[TokenKeeper]):
    """Hands out users' access tokens to the ops; nothing of it is shown."""

    database: dg.ResourceDependency[Engine]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[TokenKeeper]:
        keeper = token_keeper(load_settings(), self.database)
        yield keeper
        keeper.close()


class ZkillboardResource(dg.ConfigurableResource[Zkillboard]):
    """zKillboard's lists, at the shared pace."""

    database: dg.ResourceDependency[Engine]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Zkillboard]:
        zkillboard = Zkillboard(load_settings(), self.database)
        yield zkillboard
        zkillboard.close()


class R2z2Resource(dg.ConfigurableResource[R2z2Feed]):
    """zKillboard's live feed, at the shared pace."""

    database: dg.ResourceDependency[Engine]

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[R2z2Feed]:
        feed = R2z2Feed(load_settings(), self.database)
        yield feed
        feed.close()


class EveRefResource(dg.ConfigurableResource[EveRef]):
    """EVE Ref's daily archives."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[EveRef]:
        everef = EveRef(load_settings())
        yield everef
        everef.close()


class MarketHistoryResource(dg.ConfigurableResource[MarketHistory]):
    """EVE Ref's daily market history."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[MarketHistory]:
        market_history = MarketHistory(load_settings())
        yield market_history
        market_history.close()


class StaticDataResource(dg.ConfigurableResource[StaticData]):
    """CCP's static data export."""

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[StaticData]:
        static_data = StaticData(load_settings())
        yield static_data
        static_data.close()


def build_resources() -> dict[str, object]:
    """Every resource by the name under which assets and ops ask for it."""
    database = DatabaseResource()
    return {
        "database": database,
        "broker": BrokerResource(database=database),
        "esi": EsiResource(database=database),
        "token_keeper": TokenKeeperResource(database=database),
        "zkillboard": ZkillboardResource(database=database),
        "r2z2": R2z2Resource(database=database),
        "everef": EveRefResource(),
        "everef_market": MarketHistoryResource(),
        "static_data": StaticDataResource(),
    }

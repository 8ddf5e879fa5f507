"""The database is migrated while processes of an older package run: they stop, say why, and write nothing wrong."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from typing import IO, Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock
from killreport_assets.database.migrate import head, hold_version, migrate
from killreport_assets.ingest.feed import follow
from killreport_assets.ingest.market import DayFacts, MarketHistoryLoader, MarketPricesLoader
from killreport_assets.ingest.static_data import StaticDataLoader
from killreport_assets.ingest.static_gaps import fill_static_gaps
from killreport_assets.models.ids import EntityKind
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.sandbox.generated import FIRST_CHARACTER
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.sources.market_history import MarketHistory
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.sources.sde import StaticData
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.affiliations import refresh_affiliations
from killreport_assets.workers.handler import ReceivedMessage
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.names import resolve_names
from killreport_assets.workers.publisher import publish_ids, publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.databases import Databases, waiting_for
from killreport_assets_testing.platform import LONG_IDLE, QUICK, Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

DEADLINE = 60.0
NEWER = "update ops.alembic_version set version_num = '9999'"
SENTENCE = (
    f"this version of killreport is older than the database, whose schema is 9999, not {head()}: "
    f"install the newer version"
)


class UpgradedMeanwhile(EntityHandler):
    """A newer package migrates the database while this worker fetches."""

    platform: Platform

    def fetch(self, message: ReceivedMessage, plan: str | None) -> Any:
        self.platform.execute(NEWER)
        return super().fetch(message, plan)


def test_a_worker_whose_database_is_upgraded_stops_and_keeps_its_messages(platform: Platform) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    handler = UpgradedMeanwhile(EntityKind.CHARACTER, platform.esi, 7)
    handler.platform = platform
    with pytest.raises(ServerRefuses, match=re.escape(SENTENCE)):
        platform.work(handler)
    assert platform.scalar("select count(*) from raw.characters") == 0
    platform.execute(f"update ops.alembic_version set version_num = '{head()}'")
    assert platform.entities("character", LONG_IDLE).outcomes == {"stored": 1}  # with no attempt counted
    assert platform.scalar("select count(*) from ops.dead_letters") == 0


def _follow(platform: Platform) -> object:
    return follow(R2z2Feed(platform.settings, platform.engine), platform.engine, start=1)


def _history(platform: Platform, on_day: Callable[[date, DayFacts], None] = lambda *_: None) -> object:
    with closing(MarketHistory(platform.settings)) as files:
        return MarketHistoryLoader(files, (), newest_days=2, on_day=on_day).load(platform.engine)


def _static_data(platform: Platform, static_data: type[StaticData] = StaticData) -> object:
    return StaticDataLoader(static_data(platform.settings), platform.esi).load(platform.engine)


WRITERS: dict[str, Callable[[Platform], object]] = {
    "the feed": _follow,
    "the killmail writer": lambda platform: write_killmails(platform.engine, genuine.bodies(10), "everef"),
    "a publisher": lambda platform: publish_pending(platform.engine, platform.broker),
    "a worker": lambda platform: platform.entities("character", QUICK),
    "a producer": lambda platform: platform.produce("characters", ids=[5]),
    "the queueing of lists": lambda platform: platform.queue_due(),
    "the static data": _static_data,
    "the gaps of the static data": lambda platform: fill_static_gaps(platform.esi, platform.engine),
    "the market history": _history,
    "the market prices": lambda platform: MarketPricesLoader(platform.esi).load(platform.engine),
    "the affiliations": lambda platform: refresh_affiliations(platform.engine, platform.esi, timedelta(0)),
    "the names": lambda platform: resolve_names(platform.engine, platform.esi),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_process_of_the_older_package_writes_nothing(platform: Platform, sandbox: Sandbox, writer: str) -> None:
    write_killmails(platform.engine, genuine.bodies(5), "everef")
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    platform.execute(f"insert into raw.characters (character_id, source) values ({FIRST_CHARACTER}, 'esi')")
    sandbox.release(5)
    platform.execute(NEWER)
    tables = "select (select count(*) from raw.killmails), (select count(*) from raw.characters), "
    tables += "(select count(*) from ops.feed_cursors), (select count(*) from ops.entity_pending), "
    tables += "(select count(*) from ops.entity_pending where claimed_at is not null), "
    tables += "(select count(*) from ops.source_versions), (select count(*) from raw.systems), "
    tables += "(select count(*) from raw.market_history), (select count(*) from raw.market_prices), "
    tables += "(select count(*) from raw.character_affiliations), (select count(*) from raw.entity_names)"
    before = platform.rows(tables)
    with pytest.raises(ServerRefuses, match=re.escape(SENTENCE)):
        WRITERS[writer](platform)
    assert platform.rows(tables) == before


def test_a_load_of_market_history_stops_at_the_day_before_which_the_database_was_upgraded(platform: Platform) -> None:
    read: list[date] = []

    def upgrade(day: date, _facts: DayFacts) -> None:
        read.append(day)
        platform.execute(NEWER)

    with pytest.raises(ServerRefuses, match=re.escape(SENTENCE)):
        _history(platform, upgrade)
    assert [row[0] for row in platform.rows("select distinct date from raw.market_history")] == read
    assert len(read) == 1


def test_a_load_of_static_data_stops_when_the_database_was_upgraded_during_the_download(platform: Platform) -> None:
    class UpgradedDuringTheDownload(StaticData):
        def download(self, build: str) -> IO[bytes]:
            platform.execute(NEWER)
            return super().download(build)

    with pytest.raises(ServerRefuses, match=re.escape(SENTENCE)):
        _static_data(platform, UpgradedDuringTheDownload)
    assert platform.scalar("select count(*) from raw.systems") == 0
    assert platform.scalar("select count(*) from ops.source_versions where source = 'sde'") == 0


def test_a_migration_and_writers_wait_for_each_other(databases: Databases) -> None:
    with databases.named() as name, ThreadPoolExecutor(2) as pool:
        engine = make_engine(make_url(databases.url(name)))
        migrate(engine, "0006")
        with engine.begin() as writer:
            hold_version(writer)
            migration = pool.submit(migrate, engine)
            wait_until(lambda: waiting_for(engine, Lock.WRITERS))
            later = pool.submit(_version_held, engine.connect)
            wait_until(lambda: waiting_for(engine, Lock.WRITERS) == 2)
            writer.execute(sa.text("update ops.entity_pending set urgent = true"))  # the migration changes this table
        assert migration.result(DEADLINE) is True
        assert later.result(DEADLINE) == head()
        engine.dispose()


def _version_held(connect: Callable[[], Connection]) -> str:
    with connect() as connection, connection.begin():
        hold_version(connection)
        rows: Sequence[str] = connection.execute(sa.text("select version_num from ops.alembic_version")).scalars().all()
        return rows[0]

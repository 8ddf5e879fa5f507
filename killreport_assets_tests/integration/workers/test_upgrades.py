"""The database is migrated while processes of an older package run: they stop, say why, and write nothing wrong."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, make_url

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database.engine import make_engine
from killreport_assets.database.locks import Lock
from killreport_assets.database.migrate import head, hold_version, migrate
from killreport_assets.ingest.feed import follow
from killreport_assets.models.ids import EntityKind
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.handler import ReceivedMessage
from killreport_assets.workers.handlers.entities import EntityHandler
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


WRITERS: dict[str, Callable[[Platform], object]] = {
    "the feed": _follow,
    "the killmail writer": lambda platform: write_killmails(platform.engine, genuine.bodies(10), "everef"),
    "a publisher": lambda platform: publish_pending(platform.engine, platform.broker),
    "a worker": lambda platform: platform.entities("character", QUICK),
    "a producer": lambda platform: platform.produce("characters", ids=[5]),
    "the queueing of lists": lambda platform: platform.queue_due(),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_a_process_of_the_older_package_writes_nothing(platform: Platform, sandbox: Sandbox, writer: str) -> None:
    write_killmails(platform.engine, genuine.bodies(5), "everef")
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER])
    sandbox.release(5)
    platform.execute(NEWER)
    tables = "select (select count(*) from raw.killmails), (select count(*) from raw.characters), "
    tables += "(select count(*) from ops.feed_cursors), (select count(*) from ops.entity_pending), "
    tables += "(select count(*) from ops.entity_pending where claimed_at is not null)"
    before = platform.rows(tables)
    with pytest.raises(ServerRefuses, match=re.escape(SENTENCE)):
        WRITERS[writer](platform)
    assert platform.rows(tables) == before


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

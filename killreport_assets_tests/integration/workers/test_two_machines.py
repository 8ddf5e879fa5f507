"""Two machines, each with a home of its own, over one database: nothing is done twice, every limit is shared."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from killreport_assets.base.errors import ServerRefuses
from killreport_assets.database.engine import database_urls, make_engine
from killreport_assets.ingest.feed import FeedLoader
from killreport_assets.provision.database import open_database
from killreport_assets.provision.readers import reading_url
from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.sandbox.world import FIRST_SEQUENCE, World
from killreport_assets.settings import Settings, load_settings
from killreport_assets.sources.r2z2 import R2z2Feed
from killreport_assets.workers.publisher import publish_ids
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.waiting import wait_until

PILOTS = sorted(World().affiliations)[100:200]
ENTRIES, MAX_RPS = 20, 40


@pytest.fixture
def machines(settings: Settings, tmp_path: Path) -> Iterator[list[Platform]]:
    """Two machines: they have nothing in common but the URLs of the database and the services."""
    assert settings.database.database_url is not None
    made, url = [], settings.database.database_url.get_secret_value()
    for name in ("one", "two"):
        own = load_settings(home=tmp_path / name, esi_max_rps=MAX_RPS)
        made.append(Platform(own, make_engine(make_url(url))))
    yield made
    for platform in made:
        platform.close()
        platform.engine.dispose()


def test_two_machines_share_the_work_and_the_rate_limit(machines: list[Platform], sandbox: Sandbox) -> None:
    publish_ids(machines[0].broker, CHARACTERS, PILOTS)
    with ThreadPoolExecutor(2) as pool:
        reports = list(
            pool.map(lambda machine: machine.entities("character", LONG_IDLE, parallel_fetches=10), machines)
        )
    assert sum(report.outcomes["stored"] for report in reports) == len(PILOTS)
    assert set(sandbox.statistics()["bodies"].values()) == {1}
    assert sandbox.statistics()["most_in_a_second"]["esi"] <= MAX_RPS
    assert sandbox.statistics()["violations"] == {}


def test_the_feed_is_followed_by_one_machine_at_a_time(machines: list[Platform], sandbox: Sandbox) -> None:
    """Else every entry is requested twice, and a feed that begins its numbers again has its cursor moved by both."""

    def loader(machine: Platform) -> FeedLoader:
        return FeedLoader(R2z2Feed(machine.settings, machine.engine), FIRST_SEQUENCE, ENTRIES)

    one, two = machines
    sandbox.faults(latency=0.1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(loader(one).load, one.engine)
        wait_until(lambda: sandbox.statistics()["requests"].get("r2z2"))
        assert loader(two).load(two.engine).waiting == "another process follows the feed"
        assert first.result(60).facts["next sequence"] == FIRST_SEQUENCE + ENTRIES
    sandbox.faults()
    assert loader(two).load(two.engine).facts["first sequence"] == FIRST_SEQUENCE + ENTRIES  # goes on where one ended


def test_a_machine_without_the_readers_password_says_where_it_is(machines: list[Platform]) -> None:
    one, two = machines
    open_database(one.settings).dispose()  # creates the role, unless another database of this server did
    with pytest.raises(ServerRefuses, match=r"is not known in .*two: another KILLREPORT_HOME"):
        reading_url(two.settings, database_urls(two.settings))

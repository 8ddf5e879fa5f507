"""The roles that only read: granting to them and attaching partitions exclude each other."""

from concurrent.futures import ThreadPoolExecutor

from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.provision.readers import READER, allow_reading
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until

WAITS = """
    select count(*) from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())
"""


def test_granting_waits_while_partitions_are_attached(platform: Platform) -> None:
    allow_reading(platform.settings, platform.engine)
    platform.execute(f"revoke select on raw.killmails from {READER.name}")
    with ThreadPoolExecutor(1) as pool:
        with advisory_lock(platform.engine, Lock.PARTITIONS):
            granting = pool.submit(allow_reading, platform.settings, platform.engine)
            wait_until(lambda: platform.scalar(WAITS) == 1)
            assert not granting.done()
        assert granting.result(180)
    assert platform.scalar(f"select has_table_privilege('{READER.name}', 'raw.killmails', 'select')")

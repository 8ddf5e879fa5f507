"""The lake, on made days of EVE's own shape: written and loaded beside a plain COPY, and asked."""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.loader import know_everyone_of, members_of_day
from benchmarks.result import Result
from killreport_assets.ingest.archives import CHUNK
from killreport_assets.lake.datasets import FACTS
from killreport_assets.lake.export import LakeExport
from killreport_assets.lake.load import LakeLoader
from killreport_assets.lake.query import run_query
from killreport_assets.lake.storage import LakeStorage
from killreport_assets.sources.everef import read_member
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.lake import days_with_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets_testing.databases import Databases

DAYS = 4
TABLES = [table.fullname for table in FACTS.values()][:3]
QUESTION = (
    "select corporation_id, count(distinct killmail_id) as kills, sum(damage_done) as damage "
    "from {attackers} group by corporation_id order by kills desc, corporation_id limit 10"
)
WANTED_LOADED = 0.5


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Exports four days with 60,000 killmails, loads them into an empty platform, and asks both."""
    engine, other, plain = (stack.enter_context(databases.fresh()) for _ in range(3))
    storage = LakeStorage(stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-lake-")))
    days = [members_of_day(number) for number in range(DAYS)]
    know_everyone_of(engine, days)
    for day in days:
        with ArchiveWriter(engine, "everef", read_member) as writer:
            for start in range(0, len(day), CHUNK):
                writer.write(day[start : start + CHUNK])
    copied: dict[str, bytes] = {}
    copying = _seconds(lambda: copied.update({table: _copy_out(engine, table) for table in TABLES}))
    writing = _seconds(LakeExport(engine, storage).run)
    reference = "COPY of the same rows to CSV"
    yield Result("lake: facts to Parquet files", DAYS / writing, "days/s", reference, copying / writing)
    yield Result("lake: an export that finds nothing new", _seconds(LakeExport(engine, storage).run) * 1000, "ms")
    with engine.connect() as connection:
        stored = days_with_killmails(connection)
        size = connection.execute(
            sa.text("""
            select sum(pg_total_relation_size(oid)) from pg_class
            where relnamespace = to_regnamespace('partitions') and relkind = 'r'
            """)
        ).scalar_one()
    in_files = sum(path.stat().st_size for path in Path(storage.root).rglob("*.parquet"))
    yield Result("lake: size", in_files / 1e6, "MB", "the tables", in_files / float(size))
    ensure_months(plain, _stored_times(engine))
    copying_in = sum(_seconds(partial(_copy_in, plain, table, copied[table])) for table in TABLES)
    loading = _seconds(lambda: LakeLoader(other, storage).load(stored))
    yield Result(
        "lake: files to tables",
        DAYS / loading,
        "days/s",
        "COPY of the same rows from CSV",
        copying_in / loading,
        f"at least {WANTED_LOADED}",
        copying_in / loading >= WANTED_LOADED,
    )
    with engine.connect() as connection:
        asking = _seconds(
            lambda: connection.execute(sa.text(QUESTION.format(attackers="raw.killmail_attackers"))).all()
        )
    files = _seconds(lambda: run_query(storage, QUESTION.format(attackers="attackers")))
    yield Result("lake: a question over all attackers", files * 1000, "ms", "PostgreSQL", files / asking)


def _stored_times(engine: Engine) -> list[Any]:
    """The first and last killmail_time."""
    with engine.connect() as connection:
        return list(
            connection.execute(sa.text("select min(killmail_time), max(killmail_time) from raw.killmails")).one()
        )


def _seconds(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def _copy_out(engine: Engine, table: str) -> bytes:
    copied = io.BytesIO()
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"copy (select * from {table}) to stdout (format csv)") as copy:
            for block in copy:
                copied.write(block)
    return copied.getvalue()


def _copy_in(engine: Engine, table: str, rows: bytes) -> None:
    with engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        with driver.cursor().copy(f"copy {table} from stdin (format csv)") as copy:
            copy.write(rows)

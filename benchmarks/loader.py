"""The loader of EVE's history, on made days of EVE's own shape, beside unpacking the same archives and a plain COPY."""

import bz2
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from benchmarks.history import COPIES, MADE, know_everyone, load_killmails
from benchmarks.result import Result
from killreport_assets.ingest.archives import CHUNK
from killreport_assets.ingest.history import HistoryLoader
from killreport_assets.models.plain_killmail import plain_killmail
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World
from killreport_assets.settings import load_settings
from killreport_assets.sources.everef import EveRef, read_member
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.history import count_stored, record_totals
from killreport_assets.store.killmail_rows import pack_killmails
from killreport_assets.store.partitions import ensure_months
from killreport_assets.store.schema.killmails import KILLMAIL_TABLES
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.scripted import Answer, ScriptedService, archive, scripted_service

DAYS, KILLMAILS_A_DAY = 10, 15_000
FIRST = datetime(2012, 5, 1, tzinfo=UTC)
ROUNDS = 3
MEMORY_MIB = 400
YEAR = 365
Members = list[bytes]


def measure(databases: Databases, stack: ExitStack) -> Iterator[Result]:
    """Loads made days: members in memory, archives on disk, unchanged days, and beside a million stored killmails."""
    days = [members_of_day(number) for number in range(DAYS)]
    service = stack.enter_context(scripted_service())
    unpacking = _publish(service, days)
    home = stack.enter_context(tempfile.TemporaryDirectory(prefix="killreport-loader-"))
    everef = EveRef(load_settings().with_values(everef_url=service.url, home=Path(home)))
    engine = stack.enter_context(databases.fresh())
    know_everyone_of(engine, days)
    yield from _members_to_tables(engine, days[0])
    yield from _archives_to_tables(engine, everef, unpacking)
    yield from _unchanged(engine, everef)
    few = _one_day(engine, everef)
    load_killmails(engine, COPIES)
    many = _one_day(engine, everef)
    stored = MADE * COPIES
    yield Result(
        f"one day beside {stored:,} stored",
        many,
        "s",
        f"beside {DAYS * KILLMAILS_A_DAY:,}",
        many / few,
        "at most 1.2 x",
        many <= 1.2 * few,
    )


def members_of_day(number: int) -> Members:
    made = GeneratedKillmails(World(), seed=100 + number, profile="history")
    first = FIRST + timedelta(days=number)
    step = timedelta(days=1) / KILLMAILS_A_DAY
    members = []
    for index in range(KILLMAILS_A_DAY):
        body, hash_ = made.killmail(number * KILLMAILS_A_DAY + index, first + index * step)
        extra = {"killmail_hash": hash_, "http_last_modified": body["killmail_time"]}
        members.append(json.dumps(body | extra).encode())
    return members


def _publish(service: ScriptedService, days: Sequence[Members]) -> float:
    """Serve the days; the seconds that the standard library takes to unpack them on one core."""
    seconds = 0.0
    for number, members in enumerate(days):
        day = (FIRST + timedelta(days=number)).date()
        packed = archive(members)
        service.answers[f"/killmails/{day:%Y}/killmails-{day}.tar.bz2"] = Answer(packed, headers={"ETag": f'"{day}"'})
        seconds += _time(lambda packed=packed: bz2.decompress(packed))  # type: ignore[misc]
    service.answers["/killmails/totals.json"] = Answer({f"{day}": KILLMAILS_A_DAY for day in _days()})
    return seconds


def _days() -> list[date]:
    return [(FIRST + timedelta(days=number)).date() for number in range(DAYS)]


def know_everyone_of(engine: Engine, days: Sequence[Members]) -> None:
    """Make every entity known."""
    for members in days:
        with ArchiveWriter(engine, "everef", read_member) as writer:
            writer.write(members)
        know_everyone(engine)
        _empty(engine)


def _empty(engine: Engine) -> None:
    tables = ", ".join(table.fullname for table in KILLMAIL_TABLES[:3])
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"truncate {tables}, ops.enrichments, ops.entity_pending, ops.changed_days, ops.history_days"
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")


def _members_to_tables(engine: Engine, members: Members) -> Iterator[Result]:
    """A day's members in memory, and a plain COPY of the same rows, in turns; the fastest of each."""
    killmails = [killmail for member in members if (killmail := plain_killmail(member)) is not None]
    assert len(killmails) == len(members)
    rows = [pack_killmails(killmails[start : start + CHUNK], "everef") for start in range(0, len(killmails), CHUNK)]

    def copy() -> None:
        with engine.begin() as connection:
            for chunk in rows:
                for table in KILLMAIL_TABLES[:3]:
                    chunk.copy(connection, table.name, table.fullname)

    def write() -> None:
        with ArchiveWriter(engine, "everef", read_member) as writer:
            for start in range(0, len(members), CHUNK):
                writer.write(members[start : start + CHUNK])
        assert (len(writer.report.stored), writer.doubtful) == (len(members), 0)

    times: dict[Callable[[], None], list[float]] = {copy: [], write: []}
    ensure_months(engine, {killmail.killmail_time for killmail in killmails})
    for _ in range(ROUNDS):
        for action, seconds in times.items():
            _empty(engine)
            seconds.append(_time(action))
    copied, written = (len(members) / min(seconds) for seconds in times.values())
    _empty(engine)
    yield Result("plain COPY of packed rows", copied, "killmails/s")
    yield Result(
        "members in memory to tables",
        written,
        "killmails/s",
        "plain COPY",
        written / copied,
        "at least 0.5",
        written >= 0.5 * copied,
    )


def _archives_to_tables(engine: Engine, everef: EveRef, unpacking: float) -> Iterator[Result]:
    for day in _days():
        everef.fetch(everef.look(day))
    with _Memory() as memory:
        seconds = _time(lambda: _load(engine, everef, DAYS))
    yield Result(
        f"{DAYS} archives on disk to tables",
        DAYS * KILLMAILS_A_DAY / seconds,
        "killmails/s",
        "unpacking them",
        seconds / unpacking,
        "at most 1.25 x",
        seconds <= 1.25 * unpacking,
    )
    yield Result("… memory", memory.peak, "MiB", wanted=f"at most {MEMORY_MIB}", met=memory.peak <= MEMORY_MIB)


def _load(engine: Engine, everef: EveRef, read: int) -> None:
    report = HistoryLoader(everef, _days()).load(engine)
    assert (report.problems, report.facts["days read"]) == ([], read)


def _unchanged(engine: Engine, everef: EveRef) -> Iterator[Result]:
    seconds = _time(lambda: _load(engine, everef, 0)) / DAYS * 1000
    yield Result("an unchanged day", seconds, "ms", wanted="at most 50", met=seconds <= 50)
    totals = {FIRST.date() + timedelta(days=number): KILLMAILS_A_DAY for number in range(YEAR)}

    def compare() -> None:
        with engine.begin() as connection:
            record_totals(connection, "everef", totals)
            count_stored(connection, totals)

    seconds = _time(compare)
    yield Result("a year of totals compared", seconds, "s", wanted="at most 5", met=seconds <= 5)


def _one_day(engine: Engine, everef: EveRef) -> float:
    """Seconds for the last day, which is taken away first."""
    seconds = []
    for _ in range(ROUNDS):
        day = _days()[-1]
        with engine.begin() as connection:
            for table in KILLMAIL_TABLES[:3]:
                connection.execute(sa.text(f"delete from {table.fullname} where killmail_time >= :day"), {"day": day})
            connection.execute(
                sa.text("update ops.history_days set etag = null where killmail_date = :day"), {"day": day}
            )
        loader = HistoryLoader(everef, [day])
        seconds.append(_time(lambda loader=loader: loader.load(engine)))  # type: ignore[misc]
    return min(seconds)


class _Memory:
    """The most memory that the block needed, in MiB: what this process has more than before, and its children."""

    def __enter__(self) -> "_Memory":
        self._process = psutil.Process(os.getpid())
        self._before, self.peak = self._process.memory_info().rss, 0.0
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            with suppress(psutil.NoSuchProcess):
                children = sum(child.memory_info().rss for child in self._process.children(recursive=True))
                needed = self._process.memory_info().rss - self._before + children
                self.peak = max(self.peak, needed / 2**20)

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()


def _time(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started

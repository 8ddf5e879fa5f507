"""Writing the lake: the days that changed since the last export, the dimensions, prices and marts, then the manifest.

A file's path names its content, so what did not change is not written again, and a kill at any point leaves a whole
lake: the one before, or one that says which days it lacks. `ops.changed_days` has which days changed, as for dbt.
"""

import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.base.stopping import is_stopping
from killreport_assets.database.engine import libpq_url
from killreport_assets.database.locks import Lock, advisory_lock
from killreport_assets.database.migrate import head
from killreport_assets.lake.datasets import Dataset, marts, raw_datasets
from killreport_assets.lake.manifest import (
    LakeCoverage,
    LakeDataset,
    LakeFile,
    Manifest,
    read_datasets,
    read_manifest,
    write_dataset,
    write_manifest,
)
from killreport_assets.lake.rows import arrow_schema, digest_of, write_file
from killreport_assets.lake.storage import LakeStorage
from killreport_assets.store.lake import (
    changed_since,
    days_with_killmails,
    identity,
    known_to_exist,
    lake_snapshot,
    note_exported,
)

DAY, MONTH = "%Y-%m-%d", "%Y-%m"
SECONDS_BETWEEN_MANIFESTS = 120.0
"""So often a long export makes visible what it has."""


@dataclass
class LakeReport:
    """What an export did."""

    days: int = 0
    """Days that it was to write."""
    files_written: int = 0
    bytes_written: int = 0
    files_unchanged: int = 0
    files: int = 0
    rows: int = 0
    days_left: int = 0


@dataclass
class LakeExport:
    """Exports a platform's tables into a lake."""

    engine: Engine
    storage: LakeStorage
    is_full: bool = False
    """Read everything again, and take a lake over that another platform wrote."""
    on_day: Callable[[date, int, int], None] = lambda _day, _done, _days: None
    """Called after each day with how many of how many are done."""
    report: LakeReport = field(default_factory=LakeReport)
    _written: dict[str, LakeDataset] = field(default_factory=dict)
    _files: dict[str, dict[str, LakeFile]] = field(default_factory=dict)
    """The files of each dataset by their part; those of `_written` follow when readers are shown them."""

    def run(self) -> LakeReport:
        """Export what changed; one export at a time, another one waits.

        Raises:
            UserError: the lake is of another platform, or cannot be read.
        """
        with advisory_lock(self.engine, Lock.LAKE), tempfile.TemporaryDirectory() as folder:
            manifest, days = self._begin()
            self._written = read_datasets(self.storage, manifest)
            self._files = {name: {file.part: file for file in one.files} for name, one in self._written.items()}
            is_first = not self._written
            self._write_days(manifest, days, Path(folder))
            if not manifest.days_left:
                self._write_the_rest(manifest, is_first, Path(folder))
                with self.engine.begin() as connection:
                    note_exported(connection, manifest.snapshot)
        self.report.days_left = len(manifest.days_left)
        self.report.files = sum(len(dataset.files) for dataset in self._written.values())
        self.report.rows = sum(dataset.rows for dataset in self._written.values())
        return self.report

    def _begin(self) -> tuple[Manifest, list[date]]:
        """The manifest to write, and the days whose facts are read, newest first."""
        known = read_manifest(self.storage)
        with self.engine.connect() as connection:
            database, snapshot = identity(connection), lake_snapshot(connection)
            if known is not None and known.database != database and not self.is_full:
                raise UserError(f"{self.storage.url} is another platform's lake; --full writes this platform's over it")
            changed = changed_since(connection, known.snapshot) if known is not None and not self.is_full else None
            if known is None or changed is None:
                days = of_marts = days_with_killmails(connection)
            else:
                days, of_marts = sorted({*changed, *known.days_left}), sorted({*changed, *known.marts_left})
        manifest = Manifest(
            killreport=version("killreport-assets"),
            schema_revision=head(),
            written_at=datetime.now(UTC),
            database=database,
            snapshot=snapshot,
            days_left=days,
            marts_left=of_marts,
            coverage=known.coverage if known else LakeCoverage(),
            datasets=known.datasets if known is not None and known.database == database else {},
        )
        self.report.days = len(days)
        return manifest, days[::-1]

    def _write_days(self, manifest: Manifest, days: Sequence[date], folder: Path) -> None:
        facts = [dataset for dataset in raw_datasets() if dataset.partition == "day"]
        for dataset in facts:
            self._describe(dataset)
            if self.is_full:
                self._keep(dataset, {f"{day}" for day in days})
        shown_at, left = time.monotonic(), set(days)
        for number, day in enumerate(days, 1):
            if is_stopping():
                break
            with _reading(self.engine) as connection:  # the three files of a day show one state
                for dataset in facts:
                    self._write_part(connection, dataset, f"{day}", manifest.schema_revision, folder)
            left.discard(day)
            manifest.days_left = sorted(left)
            self.on_day(day, number, len(days))
            if time.monotonic() - shown_at > SECONDS_BETWEEN_MANIFESTS:
                self._show(manifest)
                shown_at = time.monotonic()
        self._show(manifest)

    def _write_the_rest(self, manifest: Manifest, is_first: bool, folder: Path) -> None:
        """Write what is not by day of killmails, and the marts; of those by month or day only what has changed days."""
        days = None if self.is_full or is_first else manifest.marts_left
        with self.engine.connect() as connection:
            others = [dataset for dataset in raw_datasets() if dataset.partition != "day"] + marts(connection)
        names = {dataset.name for dataset in others}
        for name in [name for name, one in self._written.items() if one.schema_name == "marts" and name not in names]:
            del self._written[name], self._files[name]
        for dataset in others:
            with _reading(self.engine) as connection:
                parts = self._parts(connection, dataset, days)
                self._describe(dataset)
                if days is None:
                    self._keep(dataset, parts)
                for part in parts:
                    self._write_part(connection, dataset, part, manifest.schema_revision, folder)
        manifest.marts_left = []
        self._show(manifest)

    def _parts(
        self, connection: "psycopg.Connection[Any]", dataset: Dataset, days: Collection[date] | None
    ) -> Collection[str]:
        """The parts of a dataset to read, the newest first."""
        if dataset.partition == "whole":
            return [""]
        if days is not None and dataset.schema == "marts" and dataset.name in self._files:
            form = DAY if dataset.partition == "day" else MONTH
            return sorted({day.strftime(form) for day in days}, reverse=True)
        form = "YYYY-MM-DD" if dataset.partition == "day" else "YYYY-MM"
        query = f"select distinct to_char({dataset.day}, '{form}') from {dataset.relation} order by 1 desc"
        return [part for (part,) in connection.execute(query.encode())]

    def _describe(self, dataset: Dataset) -> None:
        """Begin a dataset, or describe it as it is now: a column may be new."""
        self._files.setdefault(dataset.name, {})
        self._written[dataset.name] = LakeDataset(
            name=dataset.name,
            schema_name=dataset.schema,
            description=dataset.description,
            partition=dataset.partition,
            sorted_by=[name.strip('"') for name in dataset.order],
            columns=dataset.columns,
            files=[],
        )

    def _keep(self, dataset: Dataset, parts: Collection[str]) -> None:
        """Drop parts that the dataset no longer has."""
        for part in self._files[dataset.name].keys() - parts:
            del self._files[dataset.name][part]

    def _write_part(
        self, connection: "psycopg.Connection[Any]", dataset: Dataset, part: str, revision: str, folder: Path
    ) -> None:
        """Write one file of a dataset, if it differs from the one that is there."""
        file, files = folder / "part.parquet", self._files[dataset.name]
        facts = {"killreport.schema_revision": revision, "killreport.dataset": dataset.name}
        schema = arrow_schema(dataset.columns, dataset.description, facts)
        rows = write_file(connection, dataset.query(*_span(part)), schema, dataset.order, file)
        known = files.pop(part, None)
        if rows or dataset.partition == "whole":
            digest, size = digest_of(file), file.stat().st_size
            name = f"{dataset.name}{f'-{part}' if part else ''}-{digest[:16]}.parquet"
            folder_of_part = f"{dataset.schema}/{dataset.name}" + (f"/month={part[:7]}" if part else "")
            written = LakeFile(path=f"{folder_of_part}/{name}", part=part, rows=rows, bytes=size, sha256=digest)
            files[part] = written
            if written == known:
                self.report.files_unchanged += 1
            else:
                self.storage.put(file, written.path)
                self.report.files_written += 1
                self.report.bytes_written += size
        file.unlink(missing_ok=True)

    def _show(self, manifest: Manifest) -> None:
        """Let readers see what is written so far."""
        for name, dataset in self._written.items():
            dataset.files = [self._files[name][part] for part in sorted(self._files[name])]
        with self.engine.connect() as connection:
            manifest.coverage = _coverage(self._written.get("killmails"), known_to_exist(connection))
        manifest.datasets = {name: write_dataset(self.storage, one) for name, one in sorted(self._written.items())}
        manifest.written_at = datetime.now(UTC)
        write_manifest(self.storage, manifest)


def delete_superseded(storage: LakeStorage, older_than: timedelta, needed: Collection[str]) -> int:
    """Delete files that neither the manifest names nor `needed`, and that were written longer ago; returns how many."""
    manifest = read_manifest(storage)
    if manifest is None:
        return 0
    datasets = read_datasets(storage, manifest)
    named = {*manifest.datasets.values(), *(file.path for one in datasets.values() for file in one.files)}
    before = time.time() - older_than.total_seconds()
    superseded = [
        path
        for directory in ("raw", "marts", "manifests")
        for path, written_at in storage.files(directory).items()
        if path not in named and storage.uri(path) not in needed and written_at < before
    ]
    for path in superseded:
        storage.delete(path)
    return len(superseded)


def _coverage(killmails: LakeDataset | None, known: Mapping[date, int]) -> LakeCoverage:
    stored = {date.fromisoformat(file.part): file.rows for file in killmails.files} if killmails else {}
    if not stored:
        return LakeCoverage()
    return LakeCoverage(
        first_day=min(stored),
        last_day=max(stored),
        days=len(stored),
        incomplete_days=sum(stored.get(day, 0) < count for day, count in known.items()),
        killmails=sum(stored.values()),
        killmails_known_to_exist=sum(max(stored.get(day, 0), known.get(day, 0)) for day in {*stored, *known}),
    )


@contextmanager
def _reading(engine: Engine) -> Iterator["psycopg.Connection[Any]"]:
    """A connection that sees one state of the database."""
    with psycopg.connect(libpq_url(engine.url), options="-c timezone=UTC -c datestyle=ISO") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield connection


def _span(part: str) -> tuple[str, str] | tuple[()]:
    """The first day of a part, and the day after its last one."""
    if not part:
        return ()
    if len(part) == len("2024-01-01"):
        return part, f"{date.fromisoformat(part) + timedelta(days=1)}"
    first = date.fromisoformat(f"{part}-01")
    return f"{first}", f"{(first + timedelta(days=32)).replace(day=1)}"

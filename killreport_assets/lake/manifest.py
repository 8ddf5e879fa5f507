"""The manifest of a lake: which files belong to it, what is in them, how whole it is. It is written last.

`manifest.json` names a file for each dataset, which names the dataset's files. A path of either names its content, so a
reader that follows one manifest sees one state, whatever is written meanwhile.
"""

import hashlib
from datetime import date, datetime

from pydantic import BaseModel, Field, ValidationError

from killreport_assets.base.errors import UserError
from killreport_assets.lake.datasets import Column
from killreport_assets.lake.storage import LakeStorage

MANIFEST = "manifest.json"
FORMAT = 1
"""The version of the manifest's own form."""


class LakeFile(BaseModel):
    """A Parquet file: its path below the lake, and its part of the dataset: a day, a month, or empty for all of it."""

    path: str
    part: str = ""
    rows: int
    bytes: int
    sha256: str


class LakeDataset(BaseModel):
    """A dataset's own manifest."""

    name: str
    schema_name: str
    description: str
    partition: str
    sorted_by: list[str]
    columns: tuple[Column, ...]
    files: list[LakeFile]

    @property
    def rows(self) -> int:
        """How many rows its files have."""
        return sum(file.rows for file in self.files)


class LakeCoverage(BaseModel):
    """How whole the lake is, by what EVE Ref and zKillboard are known to have; fct_completeness has each day."""

    first_day: date | None = None
    last_day: date | None = None
    days: int = 0
    incomplete_days: int = 0
    """Days of which something is known to exist that is not stored."""
    killmails: int = 0
    killmails_known_to_exist: int = 0


class Manifest(BaseModel):
    """The lake's manifest."""

    format: int = FORMAT
    killreport: str
    schema_revision: str
    written_at: datetime
    database: str
    """Which platform's lake it is."""
    snapshot: str
    """PostgreSQL's snapshot: every change that it shows is in the files, except those of the days that are left."""
    days_left: list[date] = Field(default_factory=list)
    """Days whose facts a running or broken export has not written yet."""
    marts_left: list[date] = Field(default_factory=list)
    """Days whose marts it has not written yet."""
    coverage: LakeCoverage = LakeCoverage()
    datasets: dict[str, str] = Field(default_factory=dict)
    """The path of each dataset's own manifest."""


def read_manifest(storage: LakeStorage) -> Manifest | None:
    """The lake's manifest; None if there is none yet.

    Raises:
        UserError: what is there cannot be read, or a newer KillReport wrote it.
    """
    content = storage.read(MANIFEST)
    if content is None:
        return None
    try:
        manifest = Manifest.model_validate_json(content)
    except ValidationError:
        raise UserError(f"{storage.uri(MANIFEST)} is no manifest of a lake") from None
    if manifest.format > FORMAT:
        raise UserError(f"{storage.uri(MANIFEST)} is of a newer KillReport ({manifest.killreport}): upgrade this one")
    return manifest


def existing_manifest(storage: LakeStorage) -> Manifest:
    """The manifest of a lake that is there.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    manifest = read_manifest(storage)
    if manifest is None:
        raise UserError(f"there is no lake at {storage.url}: killreport lake export writes one")
    return manifest


def read_datasets(storage: LakeStorage, manifest: Manifest) -> dict[str, LakeDataset]:
    """Each dataset's own manifest, by its name.

    Raises:
        UserError: one is missing or cannot be read.
    """
    return {name: _read_dataset(storage, path) for name, path in manifest.datasets.items()}


def write_dataset(storage: LakeStorage, dataset: LakeDataset) -> str:
    """Write a dataset's own manifest, unless it is there already; returns its path."""
    content = dataset.model_dump_json(indent=1).encode()
    path = f"manifests/{dataset.name}-{hashlib.sha256(content).hexdigest()[:16]}.json"
    if storage.size(path) != len(content):
        storage.write(path, content)
    return path


def write_manifest(storage: LakeStorage, manifest: Manifest) -> None:
    """Replace the lake's manifest."""
    storage.write(MANIFEST, manifest.model_dump_json(indent=1).encode())


def _read_dataset(storage: LakeStorage, path: str) -> LakeDataset:
    content = storage.read(path)
    if content is None:
        raise UserError(f"the lake lacks {storage.uri(path)}: killreport lake export --full writes it again")
    try:
        return LakeDataset.model_validate_json(content)
    except ValidationError:
        raise UserError(f"{storage.uri(path)} is no dataset's manifest: killreport lake export --full") from None

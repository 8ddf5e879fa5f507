"""Whether a lake is whole: every file that the manifest names is there, with its bytes and its rows."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet

from killreport_assets.lake.manifest import LakeFile, existing_manifest, read_datasets
from killreport_assets.lake.storage import LakeStorage


@dataclass(frozen=True)
class Verified:
    """What was looked at, and what is wrong with it."""

    files: int
    rows: int
    problems: list[str]


def verify(storage: LakeStorage) -> Verified:
    """Read every file of the lake, and compare it with the manifest.

    Raises:
        UserError: there is no lake, or its manifest cannot be read.
    """
    manifest = existing_manifest(storage)
    files = [file for dataset in read_datasets(storage, manifest).values() for file in dataset.files]
    problems = [f"{file.path}: {problem}" for file in files for problem in _problems_of(storage, file)]
    return Verified(len(files), sum(file.rows for file in files), problems)


def _problems_of(storage: LakeStorage, file: LakeFile) -> Iterator[str]:
    content = storage.read(file.path)
    if content is None:
        yield "is missing"
    elif len(content) != file.bytes:
        yield f"has {len(content):,} bytes, not {file.bytes:,}"
    elif hashlib.sha256(content).hexdigest() != file.sha256:
        yield "is not what was written: its checksum differs"
    elif (rows := pyarrow.parquet.ParquetFile(io.BytesIO(content)).metadata.num_rows) != file.rows:
        yield f"has {rows:,} rows, not {file.rows:,}"

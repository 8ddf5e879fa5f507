"""A public copy of a lake: the files of one manifest, their checksums, and a page that says what they are."""

from collections.abc import Callable
from pathlib import Path

import jinja2

from killreport_assets.base.errors import UserError
from killreport_assets.base.files import replace_file
from killreport_assets.lake.manifest import MANIFEST, existing_manifest, read_datasets
from killreport_assets.lake.storage import LakeStorage

CHECKSUMS, INDEX = "SHA256SUMS", "index.html"
TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("killreport_assets.lake"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)


def publish(
    storage: LakeStorage, directory: Path, on_file: Callable[[int, int], None] = lambda _done, _files: None
) -> int:
    """Copy what the manifest names into a directory, its manifest last; returns how many files were new there.

    A copy that is there already is brought to this state: files that no manifest names any more are deleted at the end.

    Raises:
        UserError: there is no lake, a file of it is missing, or the directory has other things in it.
    """
    manifest = existing_manifest(storage)
    if directory.exists() and any(directory.iterdir()) and not (directory / MANIFEST).exists():
        raise UserError(f"{directory} is not empty, and no copy of a lake: choose another directory")
    datasets = read_datasets(storage, manifest)
    files = {file.path: file for dataset in datasets.values() for file in dataset.files}
    copied = 0
    for number, (path, file) in enumerate(files.items(), 1):
        target = directory / path
        if not target.exists() or target.stat().st_size != file.bytes:
            _copy(storage, path, target)
            copied += 1
        on_file(number, len(files))
    for path in manifest.datasets.values():
        _copy(storage, path, directory / path)
    sums = "".join(f"{file.sha256}  {path}\n" for path, file in sorted(files.items()))
    replace_file(directory / CHECKSUMS, sums)
    ordered = sorted(datasets.values(), key=lambda one: (one.schema_name != "raw", one.name))
    page = TEMPLATES.get_template("index.html.j2").render(
        manifest=manifest, coverage=manifest.coverage, datasets=ordered
    )
    replace_file(directory / INDEX, page)
    replace_file(directory / MANIFEST, manifest.model_dump_json(indent=1))
    named = {*files, *manifest.datasets.values()}
    for old in [*directory.glob("*/**/*.parquet"), *directory.glob("manifests/*.json")]:
        if str(old.relative_to(directory)) not in named:
            old.unlink()
    return copied


def _copy(storage: LakeStorage, path: str, target: Path) -> None:
    content = storage.read(path)
    if content is None:
        raise UserError(f"the lake lacks {storage.uri(path)}: killreport lake verify")
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_name(f".{target.name}.new")
    new.write_bytes(content)
    new.chmod(0o644)
    new.replace(target)

"""Where a lake's files are: a directory, or an object store by its URL. What they hold is in the other modules."""

import secrets
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]

from killreport_assets.base.errors import UserError


class LakeStorage:
    """The files below a URL, by their path in it; each is written as a whole or not at all."""

    def __init__(self, url: str, **options: Any) -> None:
        try:
            self.filesystem, self.root = fsspec.core.url_to_fs(url, **options)
        except (ImportError, ValueError) as missing:
            raise UserError(f"KILLREPORT_LAKE_URL={url}: {missing}") from None
        self.url = url
        self.is_local = isinstance(self.filesystem, fsspec.implementations.local.LocalFileSystem)

    def uri(self, path: str) -> str:
        """The address of a file, as other programs take it."""
        if self.is_local:
            return f"{self.root}/{path}"
        return str(self.filesystem.unstrip_protocol(f"{self.root}/{path}"))

    def read(self, path: str) -> bytes | None:
        """A file's content; None if there is no such file."""
        try:
            content: bytes = self.filesystem.cat_file(f"{self.root}/{path}")
        except FileNotFoundError:
            return None
        return content

    def write(self, path: str, content: bytes) -> None:
        """Write a file; those who read it meanwhile see the one before or this one."""
        whole = f"{self.root}/{path}"
        if not self.is_local:  # an object appears when it is complete
            self.filesystem.pipe_file(whole, content)
            return
        Path(whole).parent.mkdir(parents=True, exist_ok=True)
        new = Path(f"{whole}.{secrets.token_hex(4)}.new")
        new.write_bytes(content)
        new.replace(whole)

    def put(self, file: Path, path: str) -> None:
        """Move a local file to its place, unless it is there already: a path names its content."""
        whole = f"{self.root}/{path}"
        if self.size(path) == file.stat().st_size:
            file.unlink()
        elif self.is_local:
            Path(whole).parent.mkdir(parents=True, exist_ok=True)
            new = Path(f"{whole}.{secrets.token_hex(4)}.new")
            shutil.move(file, new)
            new.replace(whole)
        else:
            self.filesystem.put_file(str(file), whole)
            file.unlink()

    def size(self, path: str) -> int | None:
        """A file's size in bytes; None if there is no such file."""
        try:
            return int(self.filesystem.size(f"{self.root}/{path}"))
        except FileNotFoundError:
            return None

    def files(self, directory: str) -> dict[str, float]:
        """The paths below a directory, and when each was last written, in seconds since 1970."""
        try:
            found = self.filesystem.find(f"{self.root}/{directory}", detail=True)
        except FileNotFoundError:
            return {}
        start = len(f"{self.root}/")
        return {path[start:]: _written_at(entry) for path, entry in found.items()}

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""
        try:
            self.filesystem.rm_file(f"{self.root}/{path}")
        except FileNotFoundError:
            return


def _written_at(entry: dict[str, Any]) -> float:
    """When a file was written: a number in a directory, a time in an object store; never, if it is not known."""
    written = entry.get("mtime") or entry.get("LastModified") or entry.get("created") or float("inf")
    return written.timestamp() if isinstance(written, datetime) else float(written)

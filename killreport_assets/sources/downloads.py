"""Files that are downloaded before they are read: resumed where a download broke off, checked, kept within a limit.

A file's name has its version, so another version is another file. What a file means is up to its source.
"""

import fcntl
import hashlib
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import requests

from killreport_assets.http.errors import Unavailable
from killreport_assets.http.session import MEBIBYTE, HttpSession, check_status

TRIES = 4
"""Requests for one file, as long as each brings more of it."""
BLOCK = 2**18
AS_IT_IS = {"Accept-Encoding": "identity"}
"""Sizes and ranges are those of the file, not of a compressed answer."""
PART = ".part"
ABANDONED_SECONDS = 7 * 86_400
"""A download that no process goes on with."""


class Interrupted(Exception):
    """The process is to stop: no failure of the service."""


@dataclass(frozen=True)
class RemoteFile:
    """A file of a service: its version, empty if the service gives none, and its size in bytes, if it says so."""

    url: str
    etag: str
    size: int | None


class Downloads:
    """The files that are kept in a directory; the oldest go when they exceed the limit."""

    def __init__(self, session: HttpSession, directory: Path, limit_mib: int) -> None:
        self._session, self._directory, self._limit = session, directory, limit_mib * MEBIBYTE
        self._in_use: set[Path] = set()
        self._interrupted = threading.Event()

    def look(self, url: str) -> RemoteFile:
        """Ask for a file's version and size.

        Raises:
            Gone: there is no such file.
            Unavailable: the service does not answer.
        """
        response = self._session.request("HEAD", url, headers=AS_IT_IS)
        check_status(response, requests.codes.ok)
        length = response.headers.get("Content-Length", "")
        return RemoteFile(url, response.headers.get("ETag", ""), int(length) if length.isdigit() else None)

    def fetch(self, remote: RemoteFile) -> Path:
        """Download a file, or return the one that is there; of two processes that want it, one waits for the other.

        It is there until `release`.

        Raises:
            Gone, Unavailable, TooLarge: the file cannot be had as a whole; what came is kept for the next time.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        version = hashlib.sha256(f"{remote.url} {remote.etag} {remote.size}".encode()).hexdigest()[:12]
        whole = self._directory / f"{version}-{remote.url.rpartition('/')[2]}"
        part = whole.with_name(whole.name + PART)
        self._in_use.add(whole)
        if remote.etag and whole.exists():
            whole.touch()
            return whole
        with part.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if remote.etag and whole.exists():  # another process has completed it
                part.unlink(missing_ok=True)
            else:
                self._complete(remote, file)
                part.replace(whole)
        return whole

    def interrupt(self) -> None:
        """Let every download raise `Interrupted`; what came is kept for the next time."""
        self._interrupted.set()

    def release(self, file: Path) -> None:
        """A file has been read: delete the oldest of those that no thread reads, if there are too many."""
        self._in_use.discard(file)
        files = sorted(self._directory.iterdir(), key=_age)
        excess = sum(map(_size, files)) - self._limit
        for path in files:
            if excess <= 0:
                break
            is_going_on = path.suffix == PART and time.time() - _age(path) < ABANDONED_SECONDS
            if path not in self._in_use and not is_going_on:
                excess -= _size(path)
                path.unlink(missing_ok=True)

    def _complete(self, remote: RemoteFile, file: IO[bytes]) -> None:
        if not remote.etag or file.tell() > (remote.size or file.tell()):
            _empty(file)
        for _ in range(TRIES):
            before = file.tell()
            if before == remote.size:
                return
            try:
                self._append(remote, file)
            except Unavailable:
                if file.tell() == before:
                    raise
                continue
            if remote.size is None or file.tell() == remote.size:
                return
        raise Unavailable(f"{remote.url}: breaks off after {file.tell():,} bytes of {remote.size or 0:,}")

    def _append(self, remote: RemoteFile, file: IO[bytes]) -> None:
        start = file.tell()
        rest = {"Range": f"bytes={start}-", "If-Range": remote.etag} if start else {}
        with self._session.download(remote.url, AS_IT_IS | rest) as (response, content):
            check_status(response, requests.codes.ok, requests.codes.partial_content)
            if remote.etag and response.headers.get("ETag", "") != remote.etag:
                raise Unavailable(f"{remote.url}: has changed while it was read, or breaks off")
            if start and response.status_code == requests.codes.ok:
                _empty(file)
            while block := content.read(BLOCK):
                file.write(block)
                if self._interrupted.is_set():
                    raise Interrupted
            file.flush()


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _age(path: Path) -> float:
    """When it was written to; 0 for one that another thread or process has completed or deleted meanwhile."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0.0


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):
        return path.stat().st_size
    return 0

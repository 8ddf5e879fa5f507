"""EVE Ref's daily files, and its killmail archives: a tar.bz2 for each day, rewritten when late killmails arrive."""

import bz2
import json
import tarfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import requests

from killreport_assets.http.errors import TooLarge, Unavailable
from killreport_assets.http.session import MEBIBYTE, HttpSession, check_status, json_body
from killreport_assets.models.killmail import KillmailBody, recorded_hash
from killreport_assets.settings import Settings
from killreport_assets.sources.downloads import Downloads, RemoteFile

TAR_BLOCK = 2**14
"""Read at once: with more, tarfile copies more."""
ADDED_BY_EVEREF = ("killmail_hash", "http_last_modified")


class EveRefFiles:
    """One of EVE Ref's collections: a file per UTC day, and `totals.json` with the rows of each."""

    def __init__(self, settings: Settings, collection: str, suffix: str) -> None:
        self._url = f"{settings.services.everef_url}/{collection}"
        self._collection, self._suffix = collection, suffix
        self._session = HttpSession(settings)

    def totals(self) -> dict[date, int]:
        """Fetch the number of rows in each day's file.

        Raises:
            Unavailable: `totals.json` cannot be read.
        """
        body = json_body(self._get(f"{self._url}/totals.json"))
        try:
            if not isinstance(body, dict):
                raise ValueError("not an object")  # noqa: TRY004, TRY301 - handled below
            return {date.fromisoformat(day): int(count) for day, count in body.items()}
        except ValueError:
            raise Unavailable(f"{self._url}/totals.json: unexpected shape") from None

    def etag(self, day: date) -> str | None:
        """Fetch the current ETag of a day's file, without its body."""
        response = self._get(self._file_url(day), method="HEAD")
        return response.headers.get("ETag")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _file_url(self, day: date) -> str:
        return f"{self._url}/{day:%Y}/{self._collection}-{day:%Y-%m-%d}.{self._suffix}"

    def _get(self, url: str, method: str = "GET") -> requests.Response:
        response = self._session.request(method, url)
        check_status(response, requests.codes.ok)
        return response


class EveRef(EveRefFiles):
    """EVE Ref's killmail archives: looked at, downloaded, read."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "killmails", "tar.bz2")
        self.settings = settings
        self._downloads = Downloads(self._session, settings.home / "archives", settings.data.archive_cache_mib)
        self._max_bytes = settings.services.download_max_mib * MEBIBYTE
        self._max_member_bytes = settings.services.killmail_max_mib * MEBIBYTE

    def look(self, day: date) -> RemoteFile:
        """Ask for the version and size of a day's archive.

        Raises:
            Gone: there is none of that day.
            Unavailable: EVE Ref does not answer.
        """
        return self._downloads.look(self._file_url(day))

    def fetch(self, remote: RemoteFile) -> Path:
        """Download an archive; see `Downloads.fetch`."""
        return self._downloads.fetch(remote)

    def interrupt(self) -> None:
        """Break off every download; see `Downloads.interrupt`."""
        self._downloads.interrupt()

    def release(self, archive: Path) -> None:
        """An archive has been read; see `Downloads.release`."""
        self._downloads.release(archive)

    def members(self, archive: Path) -> Iterator[bytes]:
        """Read the members of an archive one by one; the whole archive is never in memory.

        Raises:
            Unavailable: it breaks off, or is none; what came before has been yielded.
            TooLarge: unpacked, it exceeds its limit.
        """
        try:
            # bz2 reads archives of several streams, which parallel packers write; tarfile's own "r|bz2" does not.
            with bz2.open(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r|", bufsize=TAR_BLOCK) as members:
                for member in members:
                    if member.offset_data + member.size > self._max_bytes:
                        limit = self._max_bytes // MEBIBYTE
                        raise TooLarge(f"{archive.name}: unpacked, the archive exceeds {limit:,} MiB")
                    if not member.isreg() or member.issparse():
                        continue
                    if member.size > self._max_member_bytes:
                        yield f"{member.name}: a member of {member.size:,} bytes".encode()
                    else:
                        # In a stream the content follows its header; extractfile would make three objects to read it.
                        content = members.fileobj.read(member.size)  # type: ignore[union-attr]
                        if len(content) < member.size:
                            raise tarfile.ReadError("unexpected end of data")
                        yield content
                    members.members.clear()  # type: ignore[attr-defined]  # it keeps each one it has seen
        except (tarfile.TarError, EOFError, OSError, ValueError) as broken:
            raise Unavailable(f"{archive.name}: breaks off ({broken or type(broken).__name__})") from None


def read_member(content: bytes) -> KillmailBody:
    """Read one member: ESI's body and two more fields. A broken one is returned as text, which the writer rejects."""
    try:
        member: Any = json.loads(content)
    except (ValueError, RecursionError):
        return KillmailBody(content.decode(errors="replace"), None)
    if not isinstance(member, dict):
        return KillmailBody(member, None)
    body = {name: value for name, value in member.items() if name not in ADDED_BY_EVEREF}
    return KillmailBody(body, recorded_hash(member.get("killmail_hash")))

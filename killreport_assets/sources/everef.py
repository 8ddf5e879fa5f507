"""EVE Ref's daily files, and its killmail archives: a tar.bz2 for each day, rewritten when late killmails arrive."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import requests

from killreport_assets.http.errors import Unavailable
from killreport_assets.http.session import HttpSession, check_status, json_body
from killreport_assets.models.killmail import KillmailBody, recorded_hash
from killreport_assets.settings import Settings
from killreport_assets.sources.downloads import Downloads, RemoteFile

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
    """EVE Ref's killmail archives: looked at, and downloaded."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "killmails", "tar.bz2")
        self.settings = settings
        self._downloads = Downloads(self._session, settings.home / "archives", settings.data.archive_cache_mib)

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

"""EVE Ref's daily files, and its killmail archives: a tar.bz2 per day, rewritten when late killmails arrive."""

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import requests
import urllib3

from killreport_assets.http.errors import Gone, Unavailable
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.settings import Settings

ADDED_BY_EVEREF = ("killmail_hash", "http_last_modified")


@dataclass(frozen=True)
class Archive:
    """The open archive of a day: its ETag, and its killmails, read from the response as they are consumed."""

    etag: str
    bodies: Iterator[KillmailBody]


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
            return {_day(day): int(count) for day, count in body.items()}
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

    def _get(self, url: str, method: str = "GET", *, stream: bool = False) -> requests.Response:
        response = self._session.request(method, url, stream=stream)
        if response.status_code == 404:
            raise Gone(f"{url}: 404")
        if response.status_code != 200:
            raise Unavailable(f"{url}: {response.status_code}")
        return response


class EveRef(EveRefFiles):
    """Reads EVE Ref's killmail archives."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "killmails", "tar.bz2")

    def open(self, day: date) -> Archive:
        """Open a day's archive; its bodies are streamed, so the whole day is never in memory.

        Raises:
            Gone: there is no archive of that day.
            Unavailable: the archive cannot be read; the iterator raises it too, when the stream breaks off.
        """
        response = self._get(self._file_url(day), stream=True)
        return Archive(response.headers.get("ETag", ""), _members(response))


def _day(text: str) -> date:
    return date.fromisoformat(text)


def _members(response: requests.Response) -> Iterator[KillmailBody]:
    try:
        with response, tarfile.open(fileobj=response.raw, mode="r|bz2") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield read_member(content.read())
    except (tarfile.TarError, EOFError, OSError, urllib3.exceptions.HTTPError) as broken:
        raise Unavailable(f"{response.url}: the archive breaks off ({broken or type(broken).__name__})") from None


def read_member(content: bytes) -> KillmailBody:
    """Read one member: ESI's body and two more fields. A broken one is returned as text, which the writer rejects."""
    try:
        member: Any = json.loads(content)
    except (ValueError, RecursionError):
        return KillmailBody(content.decode(errors="replace"), None)
    if not isinstance(member, dict):
        return KillmailBody(member, None)
    recorded_hash = member.get("killmail_hash")
    body = {name: value for name, value in member.items() if name not in ADDED_BY_EVEREF}
    return KillmailBody(body, recorded_hash if isinstance(recorded_hash, str) else None)

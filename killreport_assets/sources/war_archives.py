"""EVE Ref's archives of wars: one for each year until 2020, then one for each day; wars, and their killmails by hash.

Source of the shapes: EVE Ref's `wars/history/` and the indexes beside the files. A member is a war as ESI gives it,
with `war_id` or `id`, or a killmail of a war: `war_id`, `killmail_id`, `killmail_hash`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import requests
from pydantic import BaseModel

from killreport_assets.http.errors import Gone, Unavailable
from killreport_assets.http.session import HttpSession, check_status, json_body
from killreport_assets.models.killmail import is_killmail_hash
from killreport_assets.models.war import War
from killreport_assets.settings import Settings
from killreport_assets.sources.downloads import Downloads, RemoteFile
from killreport_assets.sources.tar_members import tar_members

FILE_NAME = re.compile(r"wars-(\d{4}(?:-\d{2}-\d{2})?)[\w.-]*\.tar\.bz2")
YEAR = re.compile(r"/(\d{4})/")
INDEX = "index.json"


@dataclass(frozen=True)
class ArchivedWar:
    """A war as an archive has it, and when ESI said so, if the archive knows."""

    war: War
    observed_at: datetime | None


@dataclass(frozen=True)
class NamedKillmail:
    """A killmail that an archive names with its hash."""

    killmail_id: int
    killmail_hash: str


class _Observed(BaseModel):
    http_last_modified: datetime | None = None


class WarArchives:
    """Lists, downloads and reads the archives; each has a name: `2020`, or `2021-01-31`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._url = f"{settings.services.everef_url}/wars/history"
        self._session = HttpSession(settings)
        self._downloads = Downloads(self._session, settings.home / "war-archives", settings.data.archive_cache_mib)

    def available(self) -> dict[str, str]:
        """Fetch which archives there are: their paths by name, oldest first.

        Raises:
            Unavailable: the indexes cannot be read.
        """
        index = self._index(INDEX)
        found = _files(index, "")
        for directory in _entries(index, "directories"):
            year = YEAR.search(str(directory.get("index_url") or directory.get("url") or ""))
            if year is not None:
                found |= _files(self._index(f"{year[1]}/{INDEX}"), f"{year[1]}/")
        return dict(sorted(found.items()))

    def look(self, path: str) -> RemoteFile:
        """Ask for an archive's version and size.

        Raises:
            Gone: there is no such archive.
            Unavailable: EVE Ref does not answer.
        """
        return self._downloads.look(f"{self._url}/{path}")

    def read(self, remote: RemoteFile) -> Iterator[ArchivedWar | NamedKillmail | str]:
        """Download an archive and read its wars and killmails; what is neither is yielded as a reason.

        Raises:
            Gone, Unavailable, TooLarge: it cannot be had as a whole, or breaks off.
        """
        archive = self._downloads.fetch(remote)
        try:
            yield from self._read(archive)
        finally:
            self._downloads.release(archive)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _read(self, archive: Path) -> Iterator[ArchivedWar | NamedKillmail | str]:
        for content in tar_members(archive, self._settings):
            yield _read_member(content)

    def _index(self, path: str) -> dict[str, object]:
        response = self._session.request("GET", f"{self._url}/{path}")
        try:
            check_status(response, requests.codes.ok)
        except Gone as gone:
            raise Unavailable(str(gone)) from None
        body = json_body(response)
        if not isinstance(body, dict):
            raise Unavailable(f"{response.url}: unexpected shape, not an object")
        return body


def _entries(index: dict[str, object], kind: str) -> list[dict[str, object]]:
    entries = index.get(kind)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _files(index: dict[str, object], directory: str) -> dict[str, str]:
    names = (str(entry.get("name")) for entry in _entries(index, "files"))
    return {match[1]: directory + match[0] for name in names if (match := FILE_NAME.fullmatch(name)) is not None}


def _read_member(content: bytes) -> ArchivedWar | NamedKillmail | str:
    try:
        member = json.loads(content)
        if not isinstance(member, dict):
            return "a member is no object"
        if "killmail_id" in member:
            id_, hash_ = member["killmail_id"], member.get("killmail_hash")
            is_pair = isinstance(id_, int) and 0 < id_ < 2**63 and is_killmail_hash(hash_)
            return NamedKillmail(id_, str(hash_)) if is_pair else "a killmail without id and hash"
        war = War.model_validate({"id": member.get("war_id")} | member)
        return ArchivedWar(war, _Observed.model_validate(member).http_last_modified)
    except (ValueError, RecursionError) as broken:
        return str(broken)

"""CCP's Static Data Export as JSON lines: types, groups, categories, markets, the map and factions.

Source: esi-docs, static-data. Names are camelCase, `_key` is the id, texts are by language, maps are lists of `_key`.
"""

import json
import logging
import shutil
import tempfile
from typing import IO

import requests

from killreport_assets.http.errors import Unavailable
from killreport_assets.http.session import HttpSession
from killreport_assets.settings import Settings

DOWNLOAD_CHUNK = 1 << 20

log = logging.getLogger(__name__)


class StaticData:
    """Finds and downloads the newest export."""

    def __init__(self, settings: Settings) -> None:
        self._url = f"{settings.services.sde_url}/tranquility"
        self._session = HttpSession(settings)

    def latest_build(self) -> str:
        """Fetch the newest export's build number.

        Raises:
            Unavailable: the request failed, or the answer names no build.
        """
        response = self._session.request("GET", f"{self._url}/latest.jsonl")
        if response.status_code != 200:
            raise Unavailable(f"{response.url}: {response.status_code}")
        for line in response.text.splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("_key") == "sde" and "buildNumber" in record:
                return str(record["buildNumber"])
        raise Unavailable(f"{response.url}: names no build")

    def download(self, build: str) -> IO[bytes]:
        """Download the export of a build into an open temporary file.

        Raises:
            Unavailable: the export cannot be read.
        """
        url = f"{self._url}/eve-online-static-data-{build}-jsonl.zip"
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        with self._session.download(url) as (response, body):
            if response.status_code != requests.codes.ok:
                raise Unavailable(f"{url}: {response.status_code}")
            shutil.copyfileobj(body, file, DOWNLOAD_CHUNK)
        file.seek(0)
        return file

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

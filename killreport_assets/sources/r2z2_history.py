"""zKillboard's history by day: its totals, each day's killmails by id and hash, and for some days their bodies.

Source of the shapes: zKillboard's cron for R2Z2's `history/`. A list may lack killmails that are out of order near
midnight, so absence from it means nothing. The live feed is in r2z2.py.
"""

from datetime import date, datetime

import requests

from killreport_assets.http.errors import Unavailable
from killreport_assets.http.session import check_status, json_body
from killreport_assets.models.killmail import KillmailBody, is_killmail_hash
from killreport_assets.sources.r2z2 import R2z2Client


class R2z2History(R2z2Client):
    """Reads the files below `history/`."""

    def totals(self) -> dict[date, int]:
        """Fetch the number of killmails of each day; days that are none are left out.

        Raises:
            ServiceError: the totals cannot be read.
        """
        totals: dict[date, int] = {}
        for name, count in self._object("history/totals.json").items():
            try:
                totals[datetime.strptime(name, "%Y%m%d").date()] = int(str(count))  # noqa: DTZ007 - it is a day
            except ValueError:
                continue
        return totals

    def killmails(self, day: date) -> dict[int, str]:
        """Fetch the ids of a day's killmails with their hashes; entries that are no such pair are left out.

        Raises:
            Gone: there is no list of this day.
            ServiceError: it cannot be read.
        """
        listed = self._object(f"history/{day:%Y%m%d}.json")
        return {int(id_): str(hash_) for id_, hash_ in listed.items() if id_.isdecimal() and is_killmail_hash(hash_)}

    def bodies(self, day: date) -> dict[int, KillmailBody]:
        """Fetch the bodies of a day's killmails, by id; zKillboard has them for days that changed since July 2026.

        Raises:
            Gone: it has none of this day.
            ServiceError: they cannot be read, or are too large.
        """
        bodies = self._object(f"history/raw/{day:%Y%m%d}.json")
        return {int(id_): KillmailBody(body, envelope_id=int(id_)) for id_, body in bodies.items() if id_.isdecimal()}

    def _object(self, path: str) -> dict[str, object]:
        response = self._ask(path)
        check_status(response, requests.codes.ok)
        body = json_body(response)
        if not isinstance(body, dict):
            raise Unavailable(f"{response.url}: no object")
        return body

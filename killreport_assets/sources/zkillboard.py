"""zKillboard's list API: somebody's killmails, newest first, 200 a page."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Engine

from killreport_assets.esi.budget import RequestBudget
from killreport_assets.esi.errors import Refused, Throttled, Unavailable
from killreport_assets.http_session import HttpSession, json_body
from killreport_assets.settings import Settings
from killreport_assets.sources.zkb_block import zkillboard_values
from killreport_assets.store.killmail_body import KillmailBody

PAUSE_SECONDS = {429: 60.0, 403: 60.0}


@dataclass
class Listing:
    """What a list said: whole bodies, killmails known by id and hash only, and zKillboard's rows for both."""

    bodies: list[KillmailBody] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    values: list[dict[str, Any]] = field(default_factory=list)
    pages: int = 0
    complete: bool = False
    """False when there may be more than the pages that were allowed."""


class Zkillboard:
    """Reads lists, at the shared pace."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._url = settings.zkillboard_url
        self._max_pages = settings.zkillboard_max_pages
        self._session = HttpSession(settings)
        self._budget = RequestBudget(engine, "zkillboard", settings.zkillboard_max_rps)

    def character_killmails(self, character_id: int) -> Listing:
        """Everything that the list of a character has, at most `KILLREPORT_ZKILLBOARD_MAX_PAGES` pages.

        Raises:
            ServiceError: a page could not be read; nothing of the listing is to be used then.
        """
        listing = Listing()
        while listing.pages < self._max_pages:
            page = self._page(f"characterID/{character_id}", listing.pages + 1)
            listing.pages += 1
            if not page:
                listing.complete = True
                break
            now = datetime.now(UTC)
            for element in page:
                read_element(element, listing, now)
        return listing

    def close(self) -> None:
        """Close the connections."""
        self._budget.flush()
        self._session.close()

    def _page(self, filters: str, page: int) -> list[Any]:
        grant = self._budget.acquire()
        url = f"{self._url}/api/{filters}/page/{page}/"  # the trailing slash is needed, a query string is refused
        try:
            response = self._session.request("GET", url)
        except Unavailable:
            self._budget.settle(grant, 0, is_error=True)
            raise
        status = response.status_code
        self._budget.settle(grant, 0, is_error=status >= 400)
        if status in PAUSE_SECONDS:
            reason = f"zKillboard answers {status}"
            raise Throttled(reason, self._budget.pause(PAUSE_SECONDS[status], reason))
        if status >= 500:
            raise Unavailable(f"{url}: {status}")
        if status != 200:
            raise Refused(f"{url}: {status}")
        body = json_body(response)
        if isinstance(body, dict) and "error" in body:  # zKillboard reports errors with status 200
            raise Refused(f"{url}: {body['error']}")
        if not isinstance(body, list):
            raise Unavailable(f"{url}: unexpected shape, not a list")
        return body


def read_element(element: Any, listing: Listing, now: datetime) -> None:
    """Sort one element of a list into the listing: both shapes, before and since 2026-06-27."""
    block = element.get("zkb") if isinstance(element, dict) else None
    recorded_hash = block.get("hash") if isinstance(block, dict) else None
    recorded_hash = recorded_hash if isinstance(recorded_hash, str) else None
    killmail_id = element.get("killmail_id") if isinstance(element, dict) else None
    if not isinstance(killmail_id, int) or "victim" in element or recorded_hash is None:
        body = {k: v for k, v in element.items() if k != "zkb"} if isinstance(element, dict) else element
        listing.bodies.append(KillmailBody(body, recorded_hash))  # the writer rejects what is not whole
    else:
        listing.hashes[killmail_id] = recorded_hash
    if isinstance(killmail_id, int) and block is not None:
        listing.values.append(zkillboard_values(killmail_id, block, now))

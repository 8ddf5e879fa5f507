"""zKillboard's list API: killmail lists, newest first, 200 per page."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.engine import Engine

from killreport_assets.http.errors import Refused, Throttled, Unavailable
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.models.killmail import KillmailBody, is_killmail_id, recorded_hash
from killreport_assets.settings import Settings
from killreport_assets.sources.zkb_block import zkillboard_values

PAUSE_SECONDS = {429: 60.0, 403: 60.0}


@dataclass
class Page:
    """One page: whole bodies, killmails with id and hash only, and zKillboard's rows for both."""

    bodies: list[KillmailBody] = field(default_factory=list)
    hashes: dict[int, str] = field(default_factory=dict)
    values: list[dict[str, object]] = field(default_factory=list)


class Zkillboard:
    """Reads lists within the request budget."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._url = settings.services.zkillboard_url
        self.max_pages = settings.services.zkillboard_max_pages
        self._session = HttpSession(settings)
        self._budget = RequestBudget(engine, "zkillboard", settings.services.zkillboard_max_rps)

    def character_pages(self, character_id: int) -> Iterator[Page]:
        """Yield the pages of a character's list up to the first without a new killmail, at most `max_pages`.

        Raises:
            ServiceError: a page could not be read; the pages before it are valid.
        """
        seen: set[object] = set()
        for number in range(1, self.max_pages + 1):
            elements = self._page(f"characterID/{character_id}", number)
            listed = {_identity(element) for element in elements}
            if listed <= seen:  # zKillboard has sent the same page for ever
                return
            seen |= listed
            page, now = Page(), datetime.now(UTC)
            for element in elements:
                read_element(element, page, now)
            yield page

    def close(self) -> None:
        """Close the connections."""
        self._budget.flush()
        self._session.close()

    def _page(self, filters: str, page: int) -> list[object]:
        url = f"{self._url}/api/{filters}/page/{page}/"  # the trailing slash is needed, a query string is refused
        response = self._session.request("GET", url, within=self._budget.spend)
        status = response.status_code
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


def _identity(element: object) -> object:
    return element.get("killmail_id") if isinstance(element, dict) else repr(element)


def read_element(element: object, page: Page, now: datetime) -> None:
    """Add one element of a list to its page, in the shape before or since 2026-06-27."""
    if not isinstance(element, dict):
        page.bodies.append(KillmailBody(element))  # the writer rejects it
        return
    block, killmail_id = element.get("zkb"), element.get("killmail_id")
    given_hash = recorded_hash(block.get("hash")) if isinstance(block, dict) else None
    body = KillmailBody({name: value for name, value in element.items() if name != "zkb"}, given_hash)
    if body.is_absent and body.reference is not None:
        page.hashes |= [body.reference]
    else:
        page.bodies.append(body)
    if is_killmail_id(killmail_id) and block is not None:
        page.values.append(zkillboard_values(killmail_id, block, now))

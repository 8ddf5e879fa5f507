"""The ESI client: every request goes through the request budget and returns a typed body or raises a typed error.

It never retries: the workers decide what to do after an error.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Generic

import requests
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from killreport_assets.esi import models, routes
from killreport_assets.esi.models import Body, parse, parse_each, parse_list
from killreport_assets.esi.outage import Outage
from killreport_assets.esi.routes import ERROR_LIMIT_HEADROOM, Route
from killreport_assets.http.errors import GONE_STATUSES, Forbidden, Gone, InvalidHash, Refused, Throttled, Unavailable
from killreport_assets.http.headers import fresh_for, number_of, seconds_to_wait
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.models.sovereignty import SovereigntyCampaign
from killreport_assets.settings import Settings

log = logging.getLogger(__name__)
INVALID_PAIR = {400, 422} | GONE_STATUSES
"""Statuses observed for a killmail_id with a wrong hash."""
PROBES = 3
"""Failed requests for ESI's status after which it counts as down."""
IDS_AT_ONCE = 1_000
"""The most ids that ESI's bulk routes take."""


Path = Mapping[str, int | str]
"""The values of a route's path parameters."""


@dataclass(frozen=True)
class Fetched(Generic[Body]):
    """A body with ESI's ETag; `body` is None for a 304: the stored one is still current."""

    body: Body | None
    etag: str | None


@dataclass(frozen=True)
class Access:
    """A user's access token, and its token owner: application and character."""

    token: SecretStr
    token_owner: str


@dataclass(frozen=True)
class RecentKillmails:
    """One page of a killmail list: hashes by id; for `fresh_for`, ESI has nothing newer."""

    hashes: dict[int, str]
    pages: int
    etag: str | None
    fresh_for: timedelta
    is_unchanged: bool = False
    """A 304: nothing has changed since the ETag was given."""


class EsiClient:
    """Requests records and lists from ESI; thread-safe."""

    def __init__(self, settings: Settings, engine: Engine, pool_size: int = 50) -> None:
        self._url = settings.services.esi_url
        self._session = HttpSession(settings, pool_size)
        self._budget = RequestBudget(engine, "esi", settings.services.esi_max_rps)
        self._headers = {"X-Compatibility-Date": settings.services.esi_compatibility_date, "Accept": "application/json"}
        self._outage = Outage(
            settings.services.esi_downtime, settings.services.esi_outage_seconds, self._is_up, self._budget.pause
        )

    def killmail(self, killmail_id: int, killmail_hash: str) -> dict[str, object]:
        """Fetch one killmail's body; it is immutable, so no ETag is needed.

        Raises:
            InvalidHash: ESI does not know this pair of id and hash.
            ServiceError: any other failure, by its kind.
        """
        try:
            response = self._ask(routes.KILLMAIL_DETAIL, {"killmail_id": killmail_id, "killmail_hash": killmail_hash})
        except Refused as refused:
            if refused.status in INVALID_PAIR:
                raise InvalidHash(str(refused), refused.status) from None
            raise
        body = json_body(response)
        if not isinstance(body, dict):
            raise Unavailable(f"killmail {killmail_id}: unexpected shape, not an object")
        return body

    def fetch(self, route: Route, model: type[Body], id_: int, etag: str | None = None) -> Fetched[Body]:
        """Fetch one record by its id; with an ETag, only if it has changed.

        Raises:
            Gone: there is no such record.
            ServiceError: any other failure, by its kind.
        """
        [parameter] = re.findall(r"\{(\w+)\}", route.template)
        response = self._ask(route, {parameter: id_}, etag=etag)
        if response.status_code == requests.codes.not_modified:
            return Fetched(None, etag)
        return Fetched(parse(model, json_body(response), route.template), response.headers.get("ETag"))

    def ids(self, route: Route, path: Path | None = None) -> list[int]:
        """Fetch a list of ids that is not paged: all alliances, the NPC corporations, an alliance's corporations.

        Raises:
            Gone: there is no such record.
            ServiceError: any other failure, by its kind.
        """
        body = json_body(self._ask(route, path))
        if not isinstance(body, list) or not all(isinstance(id_, int) and 0 < id_ < 2**63 for id_ in body):
            raise Unavailable(f"{route.template}: unexpected shape, not a list of ids")
        return body

    def recent_killmails(
        self, route: Route, path: Path, page: int, access: Access, etag: str | None = None
    ) -> RecentKillmails:
        """Fetch one page of a list of recent killmails; with an ETag, only if it has changed.

        Raises:
            Forbidden: the token does not allow it; `said` is the reason.
            Gone: there is no such page.
            ServiceError: any other failure, by its kind.
        """
        own = replace(route, bucket=replace(route.bucket, token_owner=access.token_owner))
        response = self._ask(own, path, etag=etag, page=page, token=access.token)
        if response.status_code == requests.codes.not_modified:
            return RecentKillmails({}, 1, etag, fresh_for(response), is_unchanged=True)
        pairs, malformed = parse_each(models.KillmailRef, json_body(response), route.template)
        for unreadable in malformed:
            log.warning("skipping an entry of a killmail list: %s", unreadable)
        hashes = {pair.killmail_id: pair.killmail_hash for pair in pairs}
        pages = max(1, int(number_of(response.headers.get("X-Pages")) or 1))
        return RecentKillmails(hashes, pages, response.headers.get("ETag"), fresh_for(response))

    def names(self, ids: Sequence[int]) -> list[models.Name]:
        """Fetch the names of up to 1,000 ids of any kind: `POST /universe/names`.

        Raises:
            Refused: ESI cannot name one of them, and therefore returns none.
            ServiceError: any other failure, by its kind.
        """
        response = self._ask(routes.NAMES, json=list(ids))
        return parse_list(models.Name, json_body(response), routes.NAMES.template)

    def affiliations(self, ids: Sequence[int]) -> list[models.Affiliation]:
        """Fetch corporation, alliance and faction of up to 1,000 characters: `POST /characters/affiliation`.

        Raises:
            Refused: one of them is not a character, and therefore ESI returns none.
            ServiceError: any other failure, by its kind.
        """
        response = self._ask(routes.AFFILIATIONS, json=list(ids))
        return parse_list(models.Affiliation, json_body(response), routes.AFFILIATIONS.template)

    def market_prices(self) -> tuple[list[models.MarketPrice], timedelta]:
        """Fetch the current prices of all types, and how long ESI has nothing newer: `GET /markets/prices`.

        Raises:
            ServiceError: any failure, by its kind.
        """
        response = self._ask(routes.MARKET_PRICES)
        prices = parse_list(models.MarketPrice, json_body(response), routes.MARKET_PRICES.template)
        return prices, fresh_for(response)

    def sovereignty_campaigns(self) -> tuple[list[SovereigntyCampaign], list[str]]:
        """Fetch the campaigns, and what is wrong with entries that cannot be read: `GET /sovereignty/campaigns`.

        Raises:
            ServiceError: any failure, by its kind.
        """
        route = routes.SOVEREIGNTY_CAMPAIGNS
        return parse_each(SovereigntyCampaign, json_body(self._ask(route)), route.template)

    def close(self) -> None:
        """Flush the request budget and close the connections."""
        self._budget.flush()
        self._session.close()

    def _ask(
        self,
        route: Route,
        path: Path | None = None,
        *,
        etag: str | None = None,
        json: list[int] | None = None,
        page: int | None = None,
        token: SecretStr | None = None,
    ) -> requests.Response:
        """Send a GET, or a POST if `json` is set; return a success or a 304, raise an error for anything else."""
        try:
            response = self._send(route, path, etag=etag, json=json, page=page, token=token)
        except Unavailable:
            self._outage.failed()
            raise
        self._raise_for_status(response, route)
        return response

    def _send(
        self,
        route: Route,
        path: Path | None = None,
        *,
        etag: str | None = None,
        json: list[int] | None = None,
        page: int | None = None,
        token: SecretStr | None = None,
    ) -> requests.Response:
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        headers |= {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        url = self._url + route.template.format(**(path or {})) + (f"?page={page}" if page else "")
        within = partial(self._budget.spend, bucket=route.bucket)
        return self._session.request("GET" if json is None else "POST", url, within=within, headers=headers, json=json)

    def _is_up(self) -> bool:
        return any(self._answers() for _ in range(PROBES))

    def _answers(self) -> bool:
        try:
            return self._send(routes.SERVER_STATUS).status_code < 500
        except Unavailable:
            return False

    def _raise_for_status(self, response: requests.Response, route: Route) -> None:
        """Pause as the headers ask, and raise an error for a failed status."""
        status, headers = response.status_code, response.headers
        if status < 500:
            self._outage.answered()
        remain = number_of(headers.get("X-ESI-Error-Limit-Remain"))
        if status == 420 or (remain is not None and remain <= ERROR_LIMIT_HEADROOM):
            seconds = seconds_to_wait(headers.get("X-ESI-Error-Limit-Reset"))
            until = self._budget.pause(seconds, "ESI's error limit is nearly reached")
            if status == 420:
                raise Throttled("ESI's error limit is reached", until)
        if status == 429:
            seconds = seconds_to_wait(headers.get("Retry-After"))
            reason = f"ESI throttles {route.template if route.bucket.is_error_limit else route.bucket.group}"
            raise Throttled(reason, self._budget.pause(seconds, reason, route.bucket), route.bucket.token_owner)
        if status >= 500:
            self._outage.failed()
            raise Unavailable(f"{response.url}: {status} {_error_text(response)}")
        if status in GONE_STATUSES:
            raise Gone(f"{response.url}: {status} {_error_text(response)}", status)
        if status in {401, 403}:
            said = _error_text(response)
            # With sso_status, ESI could not ask EVE's sign-in (esi-issues #1266).
            is_token_refused = b"sso_status" not in response.content
            raise Forbidden(f"{response.url}: {status} {said}", status, said if is_token_refused else "")
        if status >= 400:
            raise Refused(f"{response.url}: {status} {_error_text(response)}", status)


def _error_text(response: requests.Response) -> str:
    try:
        return str(response.json().get("error", ""))[:200]
    except (ValueError, AttributeError):
        return response.reason or ""

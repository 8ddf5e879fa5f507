"""The one ESI client: every request goes through the shared budget and comes back as a typed body or a typed error.

It never retries: what to do after an error is for the drains to decide.
"""

from dataclasses import dataclass
from typing import Any, Generic

import requests
from sqlalchemy.engine import Engine

from killreport_assets.esi import routes
from killreport_assets.esi.budget import RequestBudget
from killreport_assets.esi.errors import Forbidden, Gone, InvalidHash, Refused, Throttled, Unavailable
from killreport_assets.esi.models import Body, parse
from killreport_assets.esi.routes import Route, tokens_of
from killreport_assets.http_session import HttpSession, json_body
from killreport_assets.settings import Settings

ERROR_LIMIT_HEADROOM = 20
"""Errors of the legacy limit (100 a minute, for the whole address) that we leave unused."""
DEFAULT_PAUSE_SECONDS = 60.0
INVALID_PAIR = {400, 404, 422}
"""What ESI has been seen to answer to a killmail_id with a wrong hash."""


@dataclass(frozen=True)
class Fetched(Generic[Body]):
    """A body with ESI's ETag; `body` is None for a 304: what we have is still current."""

    body: Body | None
    etag: str | None


class EsiClient:
    """Asks ESI; one object serves all threads of a process."""

    def __init__(self, settings: Settings, engine: Engine, pool_size: int = 20) -> None:
        self._url = settings.esi_url
        self._session = HttpSession(settings, pool_size)
        self._budget = RequestBudget(engine, "esi", settings.esi_max_rps)
        self._headers = {"X-Compatibility-Date": settings.esi_compatibility_date, "Accept": "application/json"}

    def killmail(self, killmail_id: int, killmail_hash: str) -> dict[str, Any]:
        """One killmail's body as ESI gives it; immutable, so never asked for twice.

        Raises:
            InvalidHash: there is no such pair.
            ServiceError: any other failure, by its kind.
        """
        try:
            response = self._get(routes.KILLMAIL_DETAIL, killmail_id=killmail_id, killmail_hash=killmail_hash)
        except Refused as refused:
            if refused.status in INVALID_PAIR:
                raise InvalidHash(str(refused), refused.status) from None
            raise
        body = json_body(response)
        if not isinstance(body, dict):
            raise Unavailable(f"killmail {killmail_id}: unexpected shape, not an object")
        return body

    def fetch(self, route: Route, model: type[Body], id_: int, etag: str | None = None) -> Fetched[Body]:
        """One record by its id; with an ETag only if it has changed.

        Raises:
            Gone: there is no such record.
            ServiceError: any other failure, by its kind.
        """
        parameter = route.template.split("{")[1].rstrip("}")
        response = self._get(route, etag=etag, **{parameter: id_})
        if response.status_code == requests.codes.not_modified:
            return Fetched(None, etag)
        return Fetched(parse(model, json_body(response), route.template), response.headers.get("ETag"))

    def close(self) -> None:
        """Write what the budget still holds in memory and close the connections."""
        self._budget.flush()
        self._session.close()

    def _get(self, route: Route, etag: str | None = None, **parameters: int | str) -> requests.Response:
        grant = self._budget.acquire(route.bucket)
        headers = self._headers | ({"If-None-Match": etag} if etag else {})
        url = self._url + route.template.format(**parameters)
        try:
            response = self._session.request("GET", url, headers=headers)
        except BaseException:
            # Nobody knows whether it was counted: assume that it was.
            self._budget.settle(grant, routes.TOKENS_2XX, is_error=True)
            raise
        self._budget.settle(grant, tokens_of(response.status_code), is_error=response.status_code >= 400)
        self._heed(response, route)
        return response

    def _heed(self, response: requests.Response, route: Route) -> None:
        """Turn headers into pauses and statuses into errors."""
        status, headers = response.status_code, response.headers
        remain = _number(headers.get("X-ESI-Error-Limit-Remain"))
        if status == 420 or (remain is not None and remain <= ERROR_LIMIT_HEADROOM):
            seconds = _number(headers.get("X-ESI-Error-Limit-Reset")) or DEFAULT_PAUSE_SECONDS
            until = self._budget.pause(seconds, "ESI's error limit is nearly reached")
            if status == 420:
                raise Throttled("ESI's error limit is reached", until)
        if status == 429:
            seconds = _number(headers.get("Retry-After")) or DEFAULT_PAUSE_SECONDS
            group = f"group {route.bucket.group}" if route.bucket else route.template
            raise Throttled(
                f"ESI throttles {group}", self._budget.pause(seconds, f"ESI throttles {group}", route.bucket)
            )
        if status >= 500:
            raise Unavailable(f"{response.url}: {status} {_error_text(response)}")
        if status == 404:
            raise Gone(f"{response.url}: 404 {_error_text(response)}", status)
        if status in {401, 403}:
            raise Forbidden(f"{response.url}: {status} {_error_text(response)}", status)
        if status >= 400:
            raise Refused(f"{response.url}: {status} {_error_text(response)}", status)


def _number(header: str | None) -> float | None:
    try:
        return float(header) if header is not None else None
    except ValueError:
        return None


def _error_text(response: requests.Response) -> str:
    try:
        return str(response.json().get("error", ""))[:200]
    except (ValueError, AttributeError):
        return response.reason or ""

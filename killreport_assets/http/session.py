"""The HTTP session: User-Agent, timeouts, pooling, and the check that requests to real services have a contact.

Routes and budgets are in esi/ and sources/; nothing here waits or retries.
"""

import os
from collections.abc import Callable
from functools import partial
from importlib import metadata
from typing import Any
from urllib.parse import urljoin, urlsplit

import orjson
import requests
from requests.adapters import HTTPAdapter

from killreport_assets import __version__
from killreport_assets.base.errors import UserError
from killreport_assets.http.errors import Unavailable
from killreport_assets.settings import Settings, is_loopback

CONNECT_SECONDS = 5.0
MAX_REDIRECTS = 3


def user_agent(settings: Settings) -> str:
    """The User-Agent that CCP asks for: name, version, and the e-mail if one is set."""
    requests_version = metadata.version("requests")
    return f"KillReport/{__version__} ({settings.services.contact or 'sandbox'}) requests/{requests_version}"


Send = Callable[[], requests.Response]


def _send_directly(send: Send) -> requests.Response:
    return send()


class HttpSession:
    """A pooled session that sends requests to real services only if a contact is set."""

    def __init__(self, settings: Settings, pool_size: int = 20) -> None:
        self._settings = settings
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent(settings)
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.trust_env = False  # else requests reads the environment and .netrc for every request
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._proxies: dict[str, dict[str, str]] = {}
        adapter = HTTPAdapter(pool_connections=4, pool_maxsize=pool_size)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def request(
        self,
        method: str,
        url: str,
        *,
        within: Callable[[Send], requests.Response] = _send_directly,
        max_redirects: int = MAX_REDIRECTS,
        **arguments: Any,
    ) -> requests.Response:
        """Send one request and follow redirects; no status is an error. `within` sends every hop.

        An Authorization header is sent to the first host only.

        Raises:
            Unavailable: no answer in time, a broken connection, or too many redirects.
            UserError: the URL is a real service's and `KILLREPORT_CONTACT` is not set.
        """
        for _ in range(max_redirects + 1):
            self._require_contact(url)
            response = within(partial(self._send, method, url, **arguments))
            if not response.is_redirect:
                return response
            response.close()
            previous, url = url, urljoin(url, response.headers["Location"])
            if urlsplit(url)[:2] != urlsplit(previous)[:2]:
                headers = arguments.get("headers", {})
                arguments["headers"] = {name: value for name, value in headers.items() if name != "Authorization"}
        raise Unavailable(f"{url}: more than {max_redirects} redirects")

    def _require_contact(self, url: str) -> None:
        if not is_loopback(url) and not self._settings.services.contact:
            raise UserError(f"requests to {url.split('/')[2]} need a contact: set KILLREPORT_CONTACT to your e-mail")

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        timeout = (CONNECT_SECONDS, self._settings.services.http_timeout)
        try:
            return self._session.request(
                method, url, timeout=timeout, allow_redirects=False, proxies=self._proxies_for(url), **arguments
            )
        except requests.Timeout:
            raise Unavailable(f"{url}: no answer in {self._settings.services.http_timeout:g} s") from None
        except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as broken:
            raise Unavailable(f"{url}: {_summary(broken)}") from None
        except requests.exceptions.ContentDecodingError:
            raise Unavailable(f"{url}: the answer's compression is broken") from None

    def _proxies_for(self, url: str) -> dict[str, str]:
        """The environment's proxies for the URL's host, cached."""
        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = requests.utils.get_environ_proxies(url)
        return self._proxies[host]

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


def _summary(error: Exception) -> str:
    text = str(error)
    return "connection refused" if "Connection refused" in text else text.split("(Caused by ")[-1].rstrip(")")


def json_body(response: requests.Response) -> object:
    """Decode a JSON body.

    Raises:
        Unavailable: the body is not JSON, for example because it was cut off.
    """
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        raise Unavailable(f"{response.url}: the answer is broken JSON ({len(response.content)} bytes)") from None

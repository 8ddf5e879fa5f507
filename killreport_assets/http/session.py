"""The HTTP session: User-Agent, deadlines, size limits, pooling, and the check that real services get a contact.

Routes and budgets are in esi/ and sources/; nothing here waits or retries.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from typing import IO, Any, cast
from urllib.parse import urljoin, urlsplit

import orjson
import requests
import urllib3

from killreport_assets import __version__
from killreport_assets.base.errors import UserError
from killreport_assets.http.deadlines import Deadline, WatchedAdapter
from killreport_assets.http.errors import GONE_STATUSES, Gone, Refused, TooLarge, Unavailable
from killreport_assets.http.names import Resolver
from killreport_assets.settings import Settings, is_loopback

CONNECT_SECONDS = 5.0
MAX_REDIRECTS = 3
READ_BYTES = 2**16
MEBIBYTE = 2**20


def user_agent(settings: Settings) -> str:
    """The User-Agent that CCP asks for: name, version, and the e-mail if one is set."""
    requests_version = metadata.version("requests")
    return f"KillReport/{__version__} ({settings.services.contact or 'sandbox'}) requests/{requests_version}"


Send = Callable[[], requests.Response]


def _send_directly(send: Send) -> requests.Response:
    return send()


class HttpSession:
    """A pooled session that sends requests to real services only if a contact is set."""

    def __init__(self, settings: Settings, pool_size: int = 20, resolver: Resolver | None = None) -> None:
        self._settings = settings
        self._resolver = resolver or Resolver()
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent(settings)
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.trust_env = False  # else requests reads the environment and .netrc for every request
        self._session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._proxies: dict[str, dict[str, str]] = {}
        adapter = WatchedAdapter(pool_connections=4, pool_maxsize=pool_size)
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
        """Send one request and follow redirects on its host; no status is an error. `within` sends every hop.

        Raises:
            Unavailable: no answer in time, a broken connection, or too many redirects.
            TooLarge: the answer exceeds `KILLREPORT_HTTP_MAX_MIB`.
            Refused: a redirect to another host.
            UserError: the URL is a real service's and `KILLREPORT_CONTACT` is not set.
        """
        for _ in range(max_redirects + 1):
            self._require_contact(url)
            response = within(partial(self._send_and_read, method, url, **arguments))
            if not response.is_redirect:
                return response
            url = _redirected(url, response)
        raise Unavailable(f"{url}: more than {max_redirects} redirects")

    @contextmanager
    def download(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> Iterator[tuple[requests.Response, IO[bytes]]]:
        """Yield the answer to a GET, and its body as a file that is read as it arrives; no status is an error.

        Reading the file raises Unavailable when the download breaks off or exceeds its deadline, and TooLarge when it
        exceeds `KILLREPORT_DOWNLOAD_MAX_MIB`.

        Raises:
            Unavailable, Refused, UserError: as `request`.
        """
        self._require_contact(url)
        deadline = Deadline(self._settings.services.download_deadline, self._resolver)
        try:
            with self._send("GET", url, deadline, headers=headers) as response:
                limit = self._settings.services.download_max_mib * MEBIBYTE
                yield response, cast("IO[bytes]", _Body(response, deadline, limit))
        finally:
            deadline.end()

    def _require_contact(self, url: str) -> None:
        if not is_loopback(url) and not self._settings.services.contact:
            raise UserError(f"requests to {url.split('/')[2]} need a contact: set KILLREPORT_CONTACT to your e-mail")

    def _send_and_read(self, method: str, url: str, **arguments: Any) -> requests.Response:
        deadline = Deadline(self._settings.services.http_deadline, self._resolver)
        try:
            response = self._send(method, url, deadline, **arguments)
            body = _Body(response, deadline, self._settings.services.http_max_mib * MEBIBYTE)
            with response:
                response._content = body.read()  # as requests itself reads it, but with limits
            response._content_consumed = True  # type: ignore[attr-defined]
            return response
        finally:
            deadline.end()

    def _send(self, method: str, url: str, deadline: Deadline, **arguments: Any) -> requests.Response:
        timeout = (CONNECT_SECONDS, min(self._settings.services.http_timeout, deadline.seconds))
        deadline.sends()
        try:
            return self._session.request(
                method,
                url,
                timeout=timeout,
                allow_redirects=False,
                stream=True,
                proxies=self._proxies_for(url),
                **arguments,
            )
        except requests.Timeout:
            raise Unavailable(f"{url}: no answer in {timeout[1]:g} s") from None
        except requests.RequestException as broken:
            raise _broken_off(url, deadline, broken) from None

    def _proxies_for(self, url: str) -> dict[str, str]:
        """The environment's proxies for the URL's host, cached; none for this machine, whatever NO_PROXY says."""
        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = {} if is_loopback(url) else requests.utils.get_environ_proxies(url)
        return self._proxies[host]

    def close(self) -> None:
        """Close the pooled connections."""
        self._session.close()


class _Body:
    """An answer's body as a file, decompressed, within its deadline and a limit of bytes."""

    def __init__(self, response: requests.Response, deadline: Deadline, limit: int) -> None:
        self._response, self._deadline, self._limit = response, deadline, limit
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; all without a size.

        Raises:
            Unavailable: the connection broke, or the deadline is over.
            TooLarge: the body exceeds the limit.
        """
        chunks: list[bytes] = []
        left = size
        while left != 0:
            chunk = self._read_some(READ_BYTES if size < 0 else min(READ_BYTES, left))
            if not chunk:
                break
            chunks.append(chunk)
            left -= len(chunk)
        return b"".join(chunks)

    def _read_some(self, size: int) -> bytes:
        url = self._response.url
        try:
            chunk: bytes = self._response.raw.read1(size, decode_content=True)
        except urllib3.exceptions.DecodeError:
            raise Unavailable(f"{url}: the answer's compression is broken") from None
        except (urllib3.exceptions.HTTPError, OSError) as broken:
            raise _broken_off(url, self._deadline, broken) from None
        if self._deadline.is_over:
            raise _broken_off(url, self._deadline, None)
        self._size += len(chunk)
        if self._size > self._limit:
            raise TooLarge(f"{url}: the answer exceeds {self._limit // MEBIBYTE:,} MiB")
        return chunk


def _redirected(url: str, response: requests.Response) -> str:
    target = urljoin(url, response.headers["Location"])
    if urlsplit(target)[:2] != urlsplit(url)[:2]:
        raise Refused(f"{url}: redirects to another host, {urlsplit(target).netloc}", response.status_code)
    return target


def _broken_off(url: str, deadline: Deadline, error: Exception | None) -> Unavailable:
    if deadline.is_over:
        return Unavailable(f"{url}: no whole answer in {deadline.seconds:g} s")
    text = str(error)
    known = {"Connection refused": "connection refused", "Failed to resolve": "its name cannot be resolved"}
    reason = next((said for sign, said in known.items() if sign in text), text.split("(Caused by ")[-1].rstrip(")"))
    return Unavailable(f"{url}: {reason}")


def check_status(response: requests.Response, *expected: int) -> None:
    """Make sure that an answer has one of these statuses.

    Raises:
        Gone: it is 404 or 410.
        Unavailable: it has another status.
    """
    if response.status_code in GONE_STATUSES:
        raise Gone(f"{response.url}: {response.status_code}", response.status_code)
    if response.status_code not in expected:
        raise Unavailable(f"{response.url}: {response.status_code}")


def json_body(response: requests.Response) -> object:
    """Decode a JSON body.

    Half of a surrogate pair, which EVE's names may contain, and NaN are read as Python's json does: text is made
    storable where it is stored, and checks refuse numbers that are none.

    Raises:
        Unavailable: the body is not JSON, for example because it was cut off.
    """
    try:
        return orjson.loads(response.content)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(response.content.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        raise Unavailable(f"{response.url}: the answer is broken JSON ({len(response.content)} bytes)") from None

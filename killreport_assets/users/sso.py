"""EVE's sign-in (SSO v2): the authorization-code flow with PKCE, refreshing, revoking, and checking access tokens.

Source: docs.esi.evetech.net, "SSO" and "Validating JWT tokens". tokens.py refreshes and stores tokens; nothing here
keeps one, and no error's text contains one.
"""

import base64
import hashlib
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import jwt
import requests
from cachetools import TTLCache
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import WebApplicationClient
from oauthlib.oauth2.rfc6749 import errors as oauth_errors
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.esi.routes import CHARACTER_SCOPE, CORPORATION_SCOPE
from killreport_assets.http.errors import Refused, ServiceError, Throttled, Unavailable
from killreport_assets.http.headers import seconds_to_wait
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.settings import Settings
from killreport_assets.users.grants import Grant, Identity, Tokens

METADATA = "/.well-known/oauth-authorization-server"
CACHE_SECONDS = 3_600.0
"""How long metadata and keys are cached."""
UNKNOWN_KEY_SECONDS = 60.0
"""The shortest time between two reads of the keys because one is unknown."""
FAILED_SECONDS = 3.0
"""How long a document that could not be read is not requested again."""
LEEWAY_SECONDS = 5.0
"""How far EVE's clock may be ahead of ours."""
AUDIENCE = "EVE Online"
"""The audience of every access token, beside the application."""


class InvalidGrant(Refused):
    """EVE does not accept this code or refresh token: only a new sign-in helps."""


class InvalidToken(Refused):
    """Not an access token that EVE made for this application; the text says what is wrong, never the token."""


def client_id(settings: Settings) -> str:
    """Return the application's id.

    Raises:
        UserError: there is none; the text says where to get one.
    """
    if not settings.users.sso_client_id:
        raise UserError(
            "users sign in through your own application: register one at https://developers.eveonline.com with "
            f"the callback URL {settings.users.public_auth_url}/callback and the scopes {CHARACTER_SCOPE} and "
            f"{CORPORATION_SCOPE}, then set KILLREPORT_SSO_CLIENT_ID (and KILLREPORT_SSO_CLIENT_SECRET, unless it is "
            "a native application)"
        )
    return settings.users.sso_client_id


class EveSso:
    """A client of EVE's sign-in; one object serves all threads of a process."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        """Raises UserError when no application is set: see `client_id`."""
        self.client_id = client_id(settings)
        self._secret = settings.users.sso_client_secret
        self._named = {} if self._secret else {"client_id": self.client_id}
        """How a native application identifies itself in a form; others do so in the Authorization header."""
        self._url = settings.services.sso_url
        self._session = HttpSession(settings, pool_size=4)
        self._budget = RequestBudget(engine, "sso", settings.services.sso_max_rps)
        self._lock = threading.Lock()
        self._documents: dict[str, dict[str, Any]] = {}
        """The last version of each document: an old one is better than none."""
        self._fresh: TTLCache[str, bool] = TTLCache(maxsize=8, ttl=CACHE_SECONDS)
        self._just_read: TTLCache[str, bool] = TTLCache(maxsize=8, ttl=UNKNOWN_KEY_SECONDS)
        self._failed: TTLCache[str, ServiceError] = TTLCache(maxsize=8, ttl=FAILED_SECONDS)

    def authorization_url(self, redirect_uri: str, scopes: Iterable[str], state: str, verifier: str) -> str:
        """Return the URL to send the browser to; `verifier` is from `new_verifier`, and is not sent.

        Raises:
            Unavailable: EVE's metadata has no authorization endpoint.
        """
        # Not oauthlib's own method: it refuses the sandbox, which has no TLS.
        parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(sorted(scopes)),
            "state": state,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        url: str = add_params_to_uri(self._endpoint("authorization_endpoint"), list(parameters.items()))
        return url

    def exchange(self, code: str, verifier: str) -> Grant:
        """Exchange the code of a callback for tokens.

        Raises:
            InvalidGrant: the code was used, has expired, or belongs to another sign-in.
            InvalidToken: the access token is not valid for this application.
            Unavailable, Throttled: try again.
        """
        self._keys()  # a code works once: nothing that may fail should follow it
        body = WebApplicationClient(self.client_id).prepare_request_body(
            code=code, code_verifier=verifier, include_client_id=bool(self._named)
        )
        try:
            answer = self._ask_for_tokens(body)
        except InvalidGrant:
            raise
        except Refused as refused:
            raise InvalidGrant(str(refused), refused.status) from None
        return Grant(answer.access_token, answer.refresh_token, self.validate(answer.access_token))

    def refresh(self, refresh_token: SecretStr) -> Tokens:
        """Return new tokens, not validated yet; a new refresh token may replace the old one, which is invalid then.

        Raises:
            InvalidGrant: the user has to sign in again.
            Unavailable, Throttled: try again.
        """
        self._keys()
        body = WebApplicationClient(self.client_id).prepare_refresh_body(
            refresh_token=refresh_token.get_secret_value(), **self._named
        )
        try:
            return self._ask_for_tokens(body)
        except InvalidGrant:
            raise
        except Refused as refused:
            raise Unavailable(str(refused)) from None  # only invalid_grant is final

    def revoke(self, refresh_token: SecretStr) -> None:
        """Revoke a grant at EVE.

        Raises:
            ServiceError: EVE did not revoke it.
        """
        form = {"token_type_hint": "refresh_token", "token": refresh_token.get_secret_value()}
        response = self._post("revocation_endpoint", form | self._named)
        if response.status_code >= 400:
            raise Refused(f"EVE's sign-in answered {response.status_code} to the revocation", response.status_code)

    def validate(self, access_token: SecretStr) -> Identity:
        """Validate an access token as CCP documents it: signature, algorithm, issuer, audience, times.

        Raises:
            InvalidToken: the text says what is wrong.
            Unavailable: EVE's keys cannot be read.
        """
        token = access_token.get_secret_value()
        try:
            try:
                claims = self._claims(token)
            except (jwt.InvalidKeyError, jwt.InvalidSignatureError):
                claims = self._claims(token, is_unknown_key=True)  # EVE may have changed its keys
        except jwt.PyJWTError as wrong:
            raise InvalidToken(f"the access token is not valid: {_what_is_wrong(wrong)}") from None
        audience = claims["aud"]
        if self.client_id not in ([audience] if isinstance(audience, str) else audience):
            raise InvalidToken("the access token is not valid: it was made for another application")
        return _identity(claims)

    def close(self) -> None:
        """Write what the request budget has only in memory, and close the connections."""
        self._budget.flush()
        self._session.close()

    def _ask_for_tokens(self, body: str) -> Tokens:
        response = self._post("token_endpoint", body)
        try:
            answer = WebApplicationClient(self.client_id).parse_request_body_response(response.text)
        except oauth_errors.InvalidGrantError:
            raise InvalidGrant("EVE no longer accepts this sign-in (invalid_grant)", response.status_code) from None
        except (oauth_errors.InvalidClientError, oauth_errors.UnauthorizedClientError):
            raise UserError(
                "EVE's sign-in does not know the application: check KILLREPORT_SSO_CLIENT_ID and "
                "KILLREPORT_SSO_CLIENT_SECRET"
            ) from None
        except (oauth_errors.OAuth2Error, ValueError) as wrong:
            error = getattr(wrong, "error", None) or "an unexpected shape"
            raise Refused(f"EVE's sign-in answered {response.status_code}, {error}", response.status_code) from None
        refresh = answer.get("refresh_token")
        return Tokens(SecretStr(str(answer["access_token"])), SecretStr(str(refresh)) if refresh else None)

    def _post(self, endpoint: str, form: str | Mapping[str, str]) -> requests.Response:
        auth = (self.client_id, self._secret.get_secret_value()) if self._secret else None
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        return self._send("POST", self._endpoint(endpoint), data=form, headers=headers, auth=auth)

    def _send(self, method: str, url: str, **arguments: Any) -> requests.Response:
        response = self._session.request(method, url, within=self._budget.spend, max_redirects=0, **arguments)
        if response.status_code == 429:
            reason = "EVE's sign-in throttles us"
            seconds = seconds_to_wait(response.headers.get("Retry-After"))
            raise Throttled(reason, self._budget.pause(seconds, reason))
        if response.status_code >= 500:
            raise Unavailable(f"{url}: {response.status_code}")
        return response

    def _endpoint(self, name: str) -> str:
        url = self._document(self._url + METADATA).get(name)
        if not isinstance(url, str) or urlsplit(url)[:2] != urlsplit(self._url)[:2]:
            raise Unavailable(f"{self._url}{METADATA}: its {name} is missing, or not of {urlsplit(self._url).netloc}")
        return url

    def _document(self, url: str, *, is_outdated: bool = False) -> dict[str, Any]:
        """Return a JSON document, cached; with `is_outdated` it is read again, unless it was read a moment ago."""
        with self._lock:
            known = self._documents.get(url)
            if known and url in (self._just_read if is_outdated else self._fresh):
                return known
            error = self._failed.get(url)  # threads that wait for one document do not all request it in turn
            if error is None:
                try:
                    self._documents[url] = self._read(url)
                except (Unavailable, Throttled) as unavailable:
                    self._failed[url] = error = unavailable
                else:
                    self._fresh[url] = self._just_read[url] = True
                    return self._documents[url]
            if not known:
                raise error
            return known

    def _read(self, url: str) -> dict[str, Any]:
        response = self._send("GET", url, headers={"Accept": "application/json"})
        body = json_body(response)
        if response.status_code != requests.codes.ok or not isinstance(body, dict):
            raise Unavailable(f"{url}: {response.status_code}, or no JSON object")
        return body

    def _claims(self, token: str, *, is_unknown_key: bool = False) -> dict[str, Any]:
        header = jwt.get_unverified_header(token)
        for jwk in self._keys(is_outdated=is_unknown_key):
            if jwk.get("kid") == header.get("kid") and jwk.get("alg") == header.get("alg") == "RS256":
                claims: dict[str, Any] = jwt.decode(
                    token,
                    jwt.PyJWK(jwk),
                    algorithms=["RS256"],
                    audience=AUDIENCE,
                    issuer=self._issuers(),
                    leeway=LEEWAY_SECONDS,
                    options={"require": ["exp", "iat", "iss", "aud", "sub"]},
                )
                return claims
        raise jwt.InvalidKeyError

    def _keys(self, *, is_outdated: bool = False) -> list[dict[str, Any]]:
        document = self._document(self._endpoint("jwks_uri"), is_outdated=is_outdated)
        keys: list[dict[str, Any]] = document.get("keys", [])
        return keys

    def _issuers(self) -> list[str]:
        """Return the issuers to accept: EVE's tokens have it with and without the scheme, with and without a slash."""
        bare = self._url.split("://")[1]
        return [bare, f"{bare}/", self._url, f"{self._url}/"]


def new_verifier() -> str:
    """Return a PKCE verifier: 32 random bytes, as in CCP's example."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _identity(claims: Mapping[str, Any]) -> Identity:
    kind, _, id_ = str(claims["sub"]).rpartition(":")
    if kind != "CHARACTER:EVE" or not re.fullmatch("[0-9]{1,18}", id_) or not claims.get("owner"):
        raise InvalidToken("the access token is not valid: its subject is not a character")
    scopes = claims.get("scp") or []
    return Identity(
        int(id_),
        str(claims.get("name", id_)),
        str(claims["owner"]),
        frozenset([scopes] if isinstance(scopes, str) else map(str, scopes)),
        datetime.fromtimestamp(claims["exp"], UTC),
    )


def _what_is_wrong(error: jwt.PyJWTError) -> str:
    known: list[tuple[type[jwt.PyJWTError], str]] = [
        (jwt.ExpiredSignatureError, "it has expired"),
        (jwt.ImmatureSignatureError, "it is from the future"),
        (jwt.InvalidAudienceError, "it was made for another application"),
        (jwt.InvalidIssuerError, "another issuer made it"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
        (jwt.InvalidKeyError, "it is not signed with one of EVE's RS256 keys"),
        (jwt.InvalidAlgorithmError, "it is not signed with RS256"),
        (jwt.MissingRequiredClaimError, "a claim is missing"),
    ]
    return next((text for kind, text in known if isinstance(error, kind)), "it cannot be read")

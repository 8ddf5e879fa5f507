"""The sandbox's EVE SSO v2: metadata, consent page, token, JWKS, revocation; refresh tokens may rotate.

What it issues survives its restart but for the signing key, so that `make dev` does not sign anybody out. Who may act
for which character is not checked: any visitor may be any character here.
"""

import base64
import hashlib
import hmac
import html
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from killreport_assets.sandbox.serving import Serving, json_response
from killreport_assets.sandbox.world import Record, World

NATIVE_CLIENT, CONFIDENTIAL_CLIENT, CLIENT_SECRET = "killreport-sandbox", "killreport-sandbox-web", "sandbox-secret"
CODE_SECONDS = 300.0
OFFERED_CHARACTERS = 12
SEAL = b"the sandbox's refresh tokens"
CONSENT_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Sandbox sign-in</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:3rem auto;padding:0 1rem;background:#10151c;
color:#dfe6ee}}select,button{{font:inherit;padding:.5rem .8rem;margin:.3rem .3rem .3rem 0}}code{{color:#8fd0ff}}</style>
<h1>The sandbox's EVE Online</h1><p>The application <code>{client}</code> asks for:</p><ul>{scopes}</ul>
<form method="post" action="?{query}"><label>Character <select name="character_id">{characters}</select></label>
<p><button name="answer" value="yes">Authorize</button><button name="answer" value="no">Cancel</button></p></form>"""


class SsoSwitches(BaseModel):
    """What tests can change: `PUT /sandbox/sso`."""

    rotation: bool = True
    lifetime: float = 1_199.0
    defect: str | None = None
    """Of access tokens: `alg none`, `wrong key`, `wrong audience`, `wrong issuer`, `expired`, `future`."""
    scp: str = "list"
    """How access tokens give scopes: list, string or absent."""
    issuer: str | None = None
    returns_refresh_token: bool = True
    """Whether a refresh is answered with a refresh token, as it always is at EVE so far."""
    failing: list[int] = []
    """Characters for whose refresh tokens the answer is a 503."""


@dataclass(frozen=True)
class _Code:
    """What a code stands for until it is used."""

    client_id: str
    character_id: int
    scopes: tuple[str, ...]
    challenge: str
    made_at: float


class SandboxSso:
    """One SSO."""

    def __init__(self, world: World, serving: Serving) -> None:
        self._world, self._serving = world, serving
        self.reset()

    def reset(self) -> None:
        """No codes, no ended grants, no sold characters, no defects."""
        self.switches = SsoSwitches()
        self._codes: dict[str, _Code] = {}
        self._current: dict[tuple[str, int], str] = {}
        self._ended: set[int] = set()
        self._sold: Counter[int] = Counter()
        self.issued: list[str] = []
        """Every secret that was issued."""

    def routes(self) -> list[Route]:
        """Its routes."""
        route = self._serving.route
        return [
            route("sso", "/.well-known/oauth-authorization-server", self._metadata),
            route("sso", "/v2/oauth/authorize", self._consent_page),
            route("sso", "/v2/oauth/authorize", self._consent, methods=("POST",)),
            route("sso", "/v2/oauth/token", self._token, methods=("POST",)),
            route("sso", "/v2/oauth/revoke", self._revoke, methods=("POST",)),
            route("sso", "/oauth/jwks", self._jwks),
        ]

    def end(self, character_id: int) -> None:
        """EVE no longer accepts the grants of this character, until it signs in again."""
        self._ended.add(character_id)

    def sell(self, character_id: int) -> None:
        """The character moves to another account."""
        self._sold[character_id] += 1

    def grant(self, base: str, client_id: str, character_id: int, scopes: tuple[str, ...]) -> Record:
        """Tokens, as the token endpoint gives them."""
        nonce = secrets.token_urlsafe(12)
        self._current[client_id, character_id] = nonce
        access_token = self._access_token(base, client_id, character_id, scopes)
        refresh_token = _sealed([client_id, character_id, list(scopes), nonce])
        self.issued += [access_token, refresh_token]
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": round(self.switches.lifetime),
            "refresh_token": refresh_token,
        }

    def bearer(self, request: Request) -> Record | None:
        """The claims of a request's access token; None when it is none of ours, or has expired."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims: Record = jwt.decode(token, self._key.public_key(), algorithms=["RS256"], audience="EVE Online")
        except jwt.PyJWTError:
            return None
        return None if character_of(claims) in self._ended else claims

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65_537, 2_048)

    @cached_property
    def _key_id(self) -> str:
        return f"JWT-Signature-Key-{secrets.token_hex(4)}"

    def _metadata(self, request: Request) -> Response:
        base = base_url(request)
        return json_response(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/v2/oauth/authorize",
                "token_endpoint": f"{base}/v2/oauth/token",
                "revocation_endpoint": f"{base}/v2/oauth/revoke",
                "jwks_uri": f"{base}/oauth/jwks",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    def _jwks(self, _request: Request) -> Response:
        own = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        another = {"kty": "EC", "alg": "ES256", "kid": "8878a23f-2489-4045-989e-4d2f3ec1ae1a", "use": "sig"}
        return json_response({"keys": [another, own | {"kid": self._key_id, "alg": "RS256", "use": "sig"}]})

    def _consent_page(self, request: Request) -> Response:
        asked = request.query_params
        if problem := _problem(asked):
            return HTMLResponse(f"<h1>Error</h1><p>{html.escape(problem)}", 400)
        scopes = "".join(f"<li><code>{html.escape(scope)}</code></li>" for scope in asked["scope"].split())
        characters = "".join(f'<option value="{id_}">Sandbox Pilot {id_}</option>' for id_ in self._offered)
        client, query = html.escape(asked["client_id"]), html.escape(str(request.url.query), quote=True)
        return HTMLResponse(CONSENT_PAGE.format(client=client, scopes=scopes, characters=characters, query=query))

    @cached_property
    def _offered(self) -> list[int]:
        """The pilots with the most genuine killmails."""
        killmails = Counter(id_ for killmail in self._world.killmails.values() for id_ in killmail.character_ids)
        return [id_ for id_, _ in killmails.most_common() if id_ > 90_000_000 or id_ in self._world.affiliations][
            :OFFERED_CHARACTERS
        ]

    def _consent(self, request: Request) -> Response:
        asked, form = request.query_params, _form(request)
        if problem := _problem(asked):
            return HTMLResponse(f"<h1>Error</h1><p>{html.escape(problem)}", 400)
        if form.get("answer") != "yes":
            answer = {"error": "access_denied", "state": asked["state"]}
        else:
            code = secrets.token_urlsafe(16)
            self.issued.append(code)
            self._codes[code] = _Code(
                asked["client_id"],
                int(form["character_id"]),
                tuple(asked["scope"].split()),
                asked["code_challenge"],
                time.monotonic(),
            )
            answer = {"code": code, "state": asked["state"]}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

    def _token(self, request: Request) -> Response:
        form = _form(request)
        self._serving.statistics.bodies[request.url.path] += 1
        client_id = _client(request, form)
        if client_id is None:
            return json_response({"error": "invalid_client"}, 401)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(request, client_id, form)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(request, client_id, form)
        return json_response({"error": "unsupported_grant_type"}, 400)

    def _exchange(self, request: Request, client_id: str, form: dict[str, str]) -> Response:
        code = self._codes.pop(form.get("code", ""), None)
        self.issued += [form["code_verifier"]] if form.get("code_verifier") else []
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if code is None or code.client_id != client_id or time.monotonic() - code.made_at > CODE_SECONDS:
            return json_response({"error": "invalid_grant", "error_description": "Authorization code not found"}, 400)
        if challenge.rstrip(b"=").decode() != code.challenge:
            return json_response({"error": "invalid_grant", "error_description": "Invalid code verifier"}, 400)
        self._ended.discard(code.character_id)
        return json_response(self.grant(base_url(request), client_id, code.character_id, code.scopes))

    def _refresh(self, request: Request, client_id: str, form: dict[str, str]) -> Response:
        token = form.get("refresh_token", "")
        opened = _opened(token)
        if opened is None or opened[0] != client_id or opened[1] in self._ended:
            return json_response({"error": "invalid_grant", "error_description": f"Invalid refresh token {token}"}, 400)
        _, character_id, scopes, nonce = opened
        if character_id in self.switches.failing:
            return json_response({"error": "temporarily_unavailable"}, 503)
        if self.switches.rotation and self._current.get((client_id, character_id), nonce) != nonce:
            return json_response({"error": "invalid_grant", "error_description": "Invalid refresh token"}, 400)
        answer = self.grant(base_url(request), client_id, character_id, tuple(scopes))
        if not self.switches.rotation:
            answer["refresh_token"] = token
        if not self.switches.returns_refresh_token:
            del answer["refresh_token"]
        return json_response(answer)

    def _revoke(self, request: Request) -> Response:
        form = _form(request)
        opened = _opened(form.get("token", ""))
        if _client(request, form) is None:
            return json_response({"error": "invalid_client"}, 401)
        if opened is not None:
            self.end(opened[1])
        return Response(status_code=200)

    def _access_token(self, base: str, client_id: str, character_id: int, scopes: tuple[str, ...]) -> str:
        now, defect = time.time(), self.switches.defect
        issued = now + {"expired": -10_000, "future": 600}.get(str(defect), 0)
        claims: dict[str, Any] = {
            "jti": secrets.token_hex(8),
            "kid": "JWT-Signature-Key",
            "sub": f"CHARACTER:EVE:{character_id}",
            "azp": client_id,
            "tenant": "tranquility",
            "tier": "live",
            "region": "world",
            "aud": [client_id if defect != "wrong audience" else "another-application", "EVE Online"],
            "name": f"Sandbox Pilot {character_id}",
            "owner": f"owner-{character_id}-{self._sold[character_id]}",
            "iat": int(issued),
            "exp": int(issued + self.switches.lifetime),
            "iss": "https://example.org" if defect == "wrong issuer" else self.switches.issuer or base,
        }
        if self.switches.scp != "absent" and scopes:
            claims["scp"] = list(scopes) if self.switches.scp == "list" else scopes[0]
        if defect == "alg none":
            return jwt.encode(claims, "", algorithm="none", headers={"kid": self._key_id})
        key = rsa.generate_private_key(65_537, 2_048) if defect == "wrong key" else self._key
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": self._key_id})


def character_of(claims: Record) -> int:
    """The character of an access token."""
    return int(claims["sub"].rpartition(":")[2])


def base_url(request: Request) -> str:
    """This SSO's URL, as the caller reaches it."""
    return f"{request.url.scheme}://{request.url.netloc}/sso"


def _problem(asked: Any) -> str | None:
    """What is wrong with an authorization request."""
    if asked.get("client_id") not in {NATIVE_CLIENT, CONFIDENTIAL_CLIENT}:
        return f"the sandbox knows the applications {NATIVE_CLIENT} and {CONFIDENTIAL_CLIENT}"
    if urlsplit(asked.get("redirect_uri", "")).hostname not in {"127.0.0.1", "localhost"}:
        return "the redirect_uri is not registered"
    if asked.get("response_type") != "code" or not asked.get("state"):
        return "response_type must be code, and a state must be given"
    if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
        return "the sandbox wants PKCE with S256"
    return None


def _client(request: Request, form: dict[str, str]) -> str | None:
    """Which application asks; None when it cannot prove it."""
    authorization = request.headers.get("authorization", "")
    if not authorization:
        return NATIVE_CLIENT if form.get("client_id") == NATIVE_CLIENT else None
    expected = base64.b64encode(f"{CONFIDENTIAL_CLIENT}:{CLIENT_SECRET}".encode()).decode()
    return CONFIDENTIAL_CLIENT if authorization == f"Basic {expected}" else None


def _form(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(request.state.body.decode()).items()}


def _sealed(content: list[Any]) -> str:
    body = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    return f"{body}.{hmac.new(SEAL, body.encode(), hashlib.sha256).hexdigest()[:24]}"


def _opened(token: str) -> list[Any] | None:
    body, _, seal = token.partition(".")
    if not hmac.compare_digest(seal, hmac.new(SEAL, body.encode(), hashlib.sha256).hexdigest()[:24]):
        return None
    content: list[Any] = json.loads(base64.urlsafe_b64decode(body))
    return content

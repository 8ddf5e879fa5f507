"""Who asks the API, by token, by session or by address; and how often each may ask, in all processes together."""

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.requests import HTTPConnection

from killreport_assets.database.migrate import writing
from killreport_assets.settings import Settings
from killreport_assets.users.sessions import is_session_valid
from killreport_assets.web.api_tokens import READ, SCOPES, find_token, note_use

_COUNT = sa.text("""
    insert into ops.api_requests as counted (caller, minute, requests) values (:caller, date_trunc('minute', now()), 1)
    on conflict (caller) do update set
        requests = case when counted.minute = excluded.minute then counted.requests + 1 else 1 end,
        minute = excluded.minute
    returning requests, cast(ceil(extract(epoch from minute + interval '1 minute' - now())) as integer) as seconds
""")


class Refusal(Exception):
    """Why the API does not answer a caller: a status, a code for programs, a sentence, further headers."""

    def __init__(self, status: int, code: str, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status, self.code, self.headers = status, code, headers or {}


@dataclass(frozen=True)
class Caller:
    """Who asks: `account_id` whose killmails it may read, None for no person; `scopes` what it may do."""

    key: str
    is_known: bool
    account_id: int | None = None
    scopes: frozenset[str] = frozenset({READ})


class Callers:
    """Identifies callers and counts their requests; one object serves all threads."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings, self._engine = settings, engine

    def admit(self, request: HTTPConnection, *, is_same_site_needed: bool = False, is_counted: bool = True) -> Caller:
        """Identify a caller and count the request, unless it is one of those that are cheap and frequent.

        A session is only used where `is_same_site_needed` holds for the request's Origin: another site's page could
        send the browser's cookie along.

        Raises:
            Refusal: the token is not valid, the API is not public, or the caller asks too often.
        """
        caller = self._identify(request, is_same_site_needed=is_same_site_needed)
        web = self._settings.web
        if not caller.is_known and not web.api_public:
            text = "This API is not public: send a token, Authorization: Bearer kr_…, made on the page /me."
            raise Refusal(401, "UNAUTHENTICATED", text, {"WWW-Authenticate": "Bearer"})
        if not is_counted:
            return caller
        limit = web.api_requests_known if caller.is_known else web.api_requests_anonymous
        with self._engine.begin() as connection:  # counted even while a migration waits: no one else writes this table
            connection.execute(sa.text("set local synchronous_commit = off"))
            counted = connection.execute(_COUNT, {"caller": caller.key}).one()
        if counted.requests > limit:
            text = f"More than {limit} requests in a minute; with a token {web.api_requests_known} are allowed."
            headers = {"Retry-After": str(max(1, counted.seconds)), "RateLimit": f"limit={limit}, remaining=0"}
            raise Refusal(429, "RATE_LIMITED", text, headers)
        return caller

    def _identify(self, request: HTTPConnection, *, is_same_site_needed: bool) -> Caller:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme:
            return self._of_token(token.strip() if scheme.lower() == "bearer" else "")
        session = request.session
        if session.get("account") is not None and (not is_same_site_needed or self._is_same_site(request)):
            with self._engine.connect() as connection:
                if is_session_valid(connection, session):
                    account = session["account"]
                    return Caller(_key("account", str(account)), True, account, frozenset(SCOPES))
        return Caller(_key("address", request.client.host if request.client else ""), False)

    def _of_token(self, token: str) -> Caller:
        with self._engine.connect() as connection:
            found = find_token(connection, token)
        if found is None:
            text = "This token is unknown, expired or revoked; tokens are made on the page /me."
            raise Refusal(401, "UNAUTHENTICATED", text, {"WWW-Authenticate": "Bearer"})
        if found.is_use_due:
            with writing(self._engine) as connection:
                note_use(connection, token)
        return Caller(_key("token", token), True, found.account_id, frozenset(found.scopes))

    def _is_same_site(self, request: HTTPConnection) -> bool:
        origin = request.headers.get("origin")
        if origin is None:
            return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"
        public = urlsplit(self._settings.users.public_auth_url)
        asked = urlsplit(origin)
        return (asked.scheme, asked.netloc) == (public.scheme, public.netloc)


def _key(kind: str, value: str) -> str:
    """Callers are counted by a hash: no address of a reader is kept."""
    return hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()[:32]

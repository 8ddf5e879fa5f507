"""Signing in with EVE, and the page of those who have: plain HTML forms, a signed session, no JavaScript needed.

Sessions are decided here; which have ended is in users/sessions.py. The protocol of a sign-in is in users/sso.py, its
storage in users/store.py.
"""

import hmac
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import SecretStr
from sqlalchemy.engine import Engine
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.database.migrate import writing
from killreport_assets.esi.routes import CHARACTER_SCOPE, CORPORATION_SCOPE
from killreport_assets.http.errors import Refused, ServiceError
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.users.admins import first_of
from killreport_assets.users.grants import Grant
from killreport_assets.users.sessions import begin_session, end_all_sessions, end_session, is_session_valid
from killreport_assets.users.sso import new_verifier
from killreport_assets.users.store import ACTIVE, Erased, User, list_users, sign_in
from killreport_assets.users.syncs import queue_now
from killreport_assets.users.tokens import token_keeper
from killreport_assets.web.api_tokens import READ, SYNC, ApiToken, list_tokens, new_token, revoke_token
from killreport_assets.web.rendering import Problem, Rendering, explained

log = logging.getLogger(__name__)
SIGN_IN_SECONDS = 900
"""How long a sign-in may take, from leaving our page to returning to it."""
MAX_FORM_BYTES = 10_000
TOKEN_DAYS = 365
"""After which tokens that people make expire."""
GRANTS_PAGE = "https://community.eveonline.com/support/third-party-applications/"
"""Where players see and end their grants."""
_LENGTH = re.compile(r"[0-9]{1,18}")


class SignIn:
    """The pages of signing in; one object serves all threads."""

    def __init__(self, settings: Settings, engine: Engine, rendering: Rendering) -> None:
        self._settings, self._engine = settings, engine
        self.keeper = token_keeper(settings, engine)
        self._vault = self.keeper.vault
        self._finished: dict[str, float] = {}
        """States of finished sign-ins, and when they were begun: a copy of an old session must not use them again."""
        rendering.environment.filters |= {"moment": _moment, "due": _due}
        self._rendering = rendering

    @property
    def routes(self) -> list[Route]:
        """The addresses; EVE knows the callback's."""
        character = "/characters/{character_id:eve_id}"
        return [
            Route("/me", self.home),
            Route("/auth/verify", self.verify),
            Route("/sign-in", self.begin, methods=["POST"]),
            Route("/callback", self.callback),
            Route(f"{character}/sync", self.sync, methods=["POST"]),
            Route(f"{character}/forget", self.ask_to_forget),
            Route(f"{character}/forget", self.forget, methods=["POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/me/tokens", self.make_token, methods=["POST"]),
            Route("/me/tokens/{token_id}/revoke", self.revoke, methods=["POST"]),
        ]

    @property
    def session_secret(self) -> str:
        """The secret that signs sessions."""
        return self._vault.derive("sessions of the sign-in page")

    async def home(self, request: Request) -> Response:
        """Show the visitor's own characters, and the form to sign in."""
        users = await run_in_threadpool(self._own, request)
        if not users:
            request.session.pop("account", None)  # empty, or signed out: the next sign-in starts a new session
        message = request.session.pop("message", None)
        return await self._me(request, users, message)

    async def verify(self, request: Request) -> Response:
        """Answer a proxy that asks who its visitor is: 204 and the user's name, 401 or 403.

        For those in KILLREPORT_ADMINS, by character, corporation or alliance; docs/deploy.md has proxies' snippets.
        """
        users = await run_in_threadpool(self._own, request)
        if not users:
            raise Problem("Sign in first", "This part of KillReport is for its operators: sign in with EVE.", 401)
        admin = await run_in_threadpool(self._admin_of, [user.character_id for user in users])
        if admin is None:
            raise Problem("Not for you", "None of your characters is one of this KillReport's operators.", 403)
        name = quote(next(user.character_name for user in users if user.character_id == admin))
        return Response(status_code=204, headers={"X-Remote-User": name, "X-Remote-User-Id": str(admin)})

    def _admin_of(self, character_ids: list[int]) -> int | None:
        with self._engine.connect() as connection:
            return first_of(connection, character_ids, self._settings.operator.admins)

    async def make_token(self, request: Request) -> Response:
        """Make a token for a program, and show it once."""
        form = await _checked_form(request)
        token = await run_in_threadpool(self._make_token, request, str(form.get("name", "")), form.get("sync") == "yes")
        return await self._me(request, await run_in_threadpool(self._own, request), None, token)

    async def revoke(self, request: Request) -> Response:
        """Revoke one of the account's tokens."""
        await _checked_form(request)
        await run_in_threadpool(self._revoke, request)
        request.session["message"] = "The token is revoked: programs that have it are refused from now on."
        return RedirectResponse("/me", 303)

    async def _me(
        self, request: Request, users: list[User], message: str | None, new_token: str | None = None
    ) -> Response:
        is_open = self._settings.users.sso_client_id is not None
        tokens = await run_in_threadpool(self._tokens, request) if users else []
        return self._page(
            request, "me.html", users=users, message=message, is_open=is_open, tokens=tokens, new_token=new_token
        )

    async def begin(self, request: Request) -> Response:
        """Send the browser to EVE, with the scopes that the visitor chose."""
        form = await _checked_form(request)
        scopes = [CHARACTER_SCOPE] + ([CORPORATION_SCOPE] if form.get("grant") == "corporation" else [])
        state, verifier = secrets.token_urlsafe(24), new_verifier()
        url = await run_in_threadpool(
            self.keeper.sso.authorization_url,
            f"{self._settings.users.public_auth_url}/callback",
            scopes,
            state,
            verifier,
        )
        sealed = self._vault.encrypt(SecretStr(verifier))  # the session is signed, but the browser can read it
        request.session["sign_in"] = {
            "state": state,
            "verifier": sealed,
            "key": self._vault.key_id,
            "begun_at": time.time(),
        }
        return RedirectResponse(url, 303)

    async def callback(self, request: Request) -> Response:
        """Handle the return from EVE: check everything, and only then store anything."""
        begun = request.session.pop("sign_in", None)
        state = request.query_params.get("state", "")
        if begun is None or not hmac.compare_digest(state.encode(), begun["state"].encode()):
            raise Problem(
                "This sign-in cannot be finished",
                "It was not started in this browser, or was finished already. Nothing was stored; start again.",
            )
        self._finish_once(state, begun["begun_at"])
        code = request.query_params.get("code")
        if not code:
            raise Problem("You did not sign in", "EVE reports that nothing was granted. Nothing was stored.")
        user = await run_in_threadpool(self._finish, request, code, begun)
        granted = "your killmails" + (" and your corporation's" if CORPORATION_SCOPE in user.scopes else "")
        request.session["message"] = f"{user.character_name} is signed in. Granted: {granted}."
        return RedirectResponse("/me", 303)

    def _finish_once(self, state: str, begun_at: float) -> None:
        """Refuse a sign-in that took too long, or was finished before."""
        oldest = time.time() - SIGN_IN_SECONDS
        self._finished = {known: begun for known, begun in self._finished.items() if begun > oldest}
        if begun_at < oldest or state in self._finished:
            raise Problem("This sign-in is over", "It took too long, or was finished already. Start again.")
        self._finished[state] = begun_at

    async def sync(self, request: Request) -> Response:
        """Queue a character's lists now."""
        await _checked_form(request)
        request.session["message"] = await run_in_threadpool(self._sync, request)
        return RedirectResponse("/me", 303)

    async def ask_to_forget(self, request: Request) -> Response:
        """Ask before everything about a character is deleted."""
        user = await run_in_threadpool(self._mine, request)
        return self._page(request, "forget.html", user=user)

    async def forget(self, request: Request) -> Response:
        """Revoke the grant at EVE and delete the user."""
        await _checked_form(request)
        user = await run_in_threadpool(self._mine, request)
        problem = await run_in_threadpool(self.keeper.forget, user.character_id)
        ending = "the grant has ended at EVE"
        if problem is not None:
            ending = f"but EVE did not end the grant ({problem}): end the grant yourself at {GRANTS_PAGE}"
        request.session["message"] = f"{user.character_name} is forgotten; {ending}."
        return RedirectResponse("/me", 303)

    async def sign_out(self, request: Request) -> Response:
        """End the account's sessions, on every device; syncing continues."""
        await _checked_form(request)
        await run_in_threadpool(self._end, request)
        request.session.clear()
        request.session["message"] = "You are signed out, on every device. Your killmails are still synced."
        return RedirectResponse("/me", 303)

    def _page(self, request: Request, template: str, status: int = 200, **facts: Any) -> Response:
        csrf = request.session.setdefault("csrf", secrets.token_urlsafe(24))
        scopes = {"character": CHARACTER_SCOPE, "corporation": CORPORATION_SCOPE}
        return self._rendering.page(request, template, status, csrf=csrf, scopes=scopes, **facts)

    def _own(self, request: Request) -> list[User]:
        with self._engine.connect() as connection:
            if not is_session_valid(connection, request.session):
                return []
            return list_users(connection, account_id=request.session["account"])

    def _tokens(self, request: Request) -> list[ApiToken]:
        with self._engine.connect() as connection:
            return list_tokens(connection, request.session["account"], valid=True)

    def _make_token(self, request: Request, name: str, may_sync: bool) -> str:
        self._check_signed_in(request)
        scopes = [READ, SYNC] if may_sync else [READ]
        try:
            with writing(self._engine) as connection:
                return new_token(connection, name, scopes, days=TOKEN_DAYS, account_id=request.session["account"])
        except UserError as wrong:
            raise Problem("No token was made", f"{wrong}.") from None

    def _revoke(self, request: Request) -> None:
        self._check_signed_in(request)
        try:
            with writing(self._engine) as connection:
                revoke_token(connection, request.path_params["token_id"], request.session["account"])
        except UserError:
            raise Problem("No such token", "It is none of yours, or was revoked before.", 404) from None

    def _check_signed_in(self, request: Request) -> None:
        if not self._own(request):
            raise Problem("You are not signed in", "Tokens belong to those who have signed in.", 403)

    def _end(self, request: Request) -> None:
        with writing(self._engine) as connection:
            is_valid = is_session_valid(connection, request.session)
            if "id" in request.session:
                end_session(connection, request.session["id"])
            if is_valid:
                end_all_sessions(connection, request.session["account"])

    def _mine(self, request: Request) -> User:
        """Return the character of the path, if it belongs to this account."""
        for user in self._own(request):
            if user.character_id == request.path_params["character_id"]:
                return user
        raise Problem("No such character", "You are not signed in with that character here.", 404)

    def _sync(self, request: Request) -> str:
        user = self._mine(request)
        if user.state != ACTIVE:
            raise Problem("This sign-in has ended", user.reason or "Sign in again.")
        broker = connect_broker(self._settings, self._engine)
        try:
            queue_now(self._engine, broker, [user.character_id])
        finally:
            broker.close()
        if user.fresh_until is not None and user.fresh_until > datetime.now(UTC):
            return (
                f"ESI is not queried for {user.character_name} before {user.fresh_until:%H:%M:%S} UTC: "
                "it has nothing newer until then, or its limit is reached."
            )
        return f"{user.character_name} is queued to be synced first."

    def _finish(self, request: Request, code: str, begun: dict[str, Any]) -> User:
        verifier = self._vault.decrypt(begun["verifier"], begun["key"]).get_secret_value()
        grant = self.keeper.sso.exchange(code, verifier)
        if CHARACTER_SCOPE not in grant.identity.scopes:
            raise Problem("Nothing to read", "EVE granted no access to your killmails. Nothing was stored.")
        # A session with an account adds the character to it; else the character's own account is used, or a new one.
        known = dict(request.session) if self._own(request) else {}
        account = self._store(grant, known.get("account"))
        request.session.clear()
        session_id = known.get("id") or secrets.token_urlsafe(24)  # signing out ends copies made before, too
        with self._engine.connect() as connection:
            begin_session(connection, request.session, account, session_id)
            [user] = list_users(connection, character_id=grant.identity.character_id)
        return user

    def _store(self, grant: Grant, account: int | None) -> int:
        with writing(self._engine) as connection:
            return sign_in(connection, self._vault, grant, account)


async def _checked_form(request: Request) -> FormData:
    """Return the form, if it came from our own page."""
    length = request.headers.get("content-length", "")
    if not _LENGTH.fullmatch(length) or int(length) > MAX_FORM_BYTES:
        raise Problem("Not one of our forms", "It is larger than any of ours, or its size is missing.", 413)
    form = await request.form()
    expected, given = request.session.get("csrf"), form.get("csrf")
    if not expected or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem("This form belongs to another session", "Go back to the first page and try again.", 403)
    return form


def explained_sign_in(error: Exception) -> Problem:
    """Say what a visitor may do about an error of signing in."""
    if isinstance(error, Refused):
        return Problem("EVE refused this sign-in", f"{error}. Nothing was stored; start again.")
    if isinstance(error, ServiceError):
        return Problem("EVE's sign-in does not answer", f"{error}. Nothing was stored; try again in a minute.", 502)
    if isinstance(error, BrokerUnavailable):
        return Problem("Not queued yet", "The work queues are unreachable; the sync is queued once they are back.", 503)
    if isinstance(error, Erased):
        return Problem(
            "This character was erased",
            "Its owner asked for everything about it to be deleted here, so nothing is stored now either. "
            "Ask the operator of this KillReport if you want it back.",
            403,
        )
    if isinstance(error, UserError):
        log.error("the sign-in page: %s", error)  # for the operator: it may name files and settings
        return Problem(
            "This does not work now", "The operator of this KillReport has to fix it. Nothing was stored.", 503
        )
    return explained(error)


def _moment(moment: datetime | None) -> str:
    """Format a time for people: how far away it is, and when."""
    if moment is None:
        return "never"
    seconds = (moment - datetime.now(UTC)).total_seconds()
    distance, unit = next(
        (abs(seconds) / length, name)
        for length, name in ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))
        if abs(seconds) >= 2 * length or length == 1
    )
    said = f"in {distance:.0f} {unit}" if seconds > 0 else f"{distance:.0f} {unit} ago"
    return f"{said} ({moment:%d %b %H:%M} UTC)"


def _due(moment: datetime | None) -> str:
    """Format when a list is due; due lists are queued every few minutes."""
    return "within minutes" if moment is None or moment <= datetime.now(UTC) else _moment(moment)

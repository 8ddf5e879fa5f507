"""The application: every address, the headers that all answers have, and who may ask by which host name."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from fastapi import FastAPI
from sqlalchemy.engine import Engine
from starlette.applications import Starlette
from starlette.convertors import Convertor, IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from killreport_assets.base.errors import BrokerUnavailable, UserError
from killreport_assets.http.errors import ServiceError
from killreport_assets.settings import Settings, is_loopback
from killreport_assets.users.sessions import LASTS
from killreport_assets.web.battle_pages import BattlePages
from killreport_assets.web.callers import Callers
from killreport_assets.web.database import reading_engine
from killreport_assets.web.entities import BY_PATH
from killreport_assets.web.feed import LiveFeed
from killreport_assets.web.graphql.endpoint import GraphqlEndpoint
from killreport_assets.web.health import Looking
from killreport_assets.web.own import Own
from killreport_assets.web.pages import Pages
from killreport_assets.web.pictures import drawing
from killreport_assets.web.rendering import PERSONAL, Problem, Rendering
from killreport_assets.web.rest.api import build_rest
from killreport_assets.web.rest.live import Ephemeral
from killreport_assets.web.rest.paths import FILTER_NAMES, LABELS
from killreport_assets.web.sign_in import SignIn, explained_sign_in

log = logging.getLogger(__name__)


class _EveId(IntegerConvertor):
    """An id in an address: no more digits than PostgreSQL's bigint has; any other address is 404."""

    regex = "[0-9]{1,18}"


class _KindPath(Convertor[str]):
    """The word of an address for a kind of entity."""

    regex = "|".join(BY_PATH)

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


class _Which(_KindPath):
    """Which killmails of an entity."""

    regex = "kills-and-losses|kills|losses"


register_url_convertor("eve_id", _EveId())
register_url_convertor("kind", _KindPath())
register_url_convertor("which", _Which())


def build_app(settings: Settings, engine: Engine) -> Starlette:
    """Build the application; `engine` may write, pages read as a role that may not.

    Raises:
        UserError: the key of the tokens is unusable, or there is no role that pages may read as.
    """
    reading = reading_engine(settings)
    rendering = Rendering(settings)
    looking = Looking(settings, is_public=True)
    pages = Pages(reading, rendering, looking)
    battle_pages = BattlePages(reading, rendering)
    sign_in = SignIn(settings, engine, rendering)
    feed = LiveFeed(reading)
    callers = Callers(settings, engine)
    graphql = GraphqlEndpoint(reading, callers, Own(settings, engine, looking), feed)
    ephemeral = Ephemeral(engine, reading, callers)
    web = settings.web
    rest = build_rest(reading, callers, anonymous=web.api_requests_anonymous, known=web.api_requests_known)
    public = urlsplit(settings.users.public_auth_url)
    entity = "/{kind:kind}/{entity_id:eve_id}"
    routes = [
        Route("/", pages.front),
        Route("/kills", pages.kills),
        Route("/kill/{killmail_id:eve_id}", pages.killmail),
        Route(entity, pages.entity),
        Route(entity + "/{which:which}", pages.entity_killmails),
        Route("/fit/{fit_id}", pages.fit),
        Route("/battles", battle_pages.all),
        Route("/battle/{battle_id:eve_id}", battle_pages.one),
        Route("/regions", pages.regions),
        Route("/search", pages.search),
        Route("/definitions", pages.definitions),
        Route("/coverage", pages.coverage),
        Route("/feed", feed.answer),
        Route("/ephemeral/sequence.json", ephemeral.sequence),
        Route("/ephemeral/{sequence:eve_id}.json", ephemeral.entry),
        Route("/graphql", graphql, methods=["GET", "POST"]),
        WebSocketRoute("/graphql", graphql),
        Route("/images/types/{type_id:eve_id}/icon", drawing),
        Route("/api/", _described(rendering, rest)),
        Mount("/api", rest),
        Route("/autocomplete/{words}/", _moved("/api/autocomplete/{words}/")),
        Route("/health", looking.health),
        Route("/metrics", looking.metrics),
        *sign_in.routes,
        Mount("/static", StaticFiles(packages=[("killreport_assets.web", "static")])),
    ]

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        with feed.listening():
            yield
        reading.dispose()

    def problem(request: Request, error: Exception) -> Response:
        return rendering.problem(request, error if isinstance(error, Problem) else explained_sign_in(error))

    def not_found(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        text = "There is no page at this address." if error.status_code == 404 else error.detail
        shown = rendering.problem(request, Problem("No such page", text, error.status_code))
        shown.headers.update(error.headers or {})
        return shown

    def failed(request: Request, error: Exception) -> Response:
        log.error("%s failed", request.url.path, exc_info=error)
        text = "It is a fault of KillReport, and in its log. Try again in a minute."
        return rendering.problem(request, Problem("This page failed", text, 500))

    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=[str(public.hostname), "127.0.0.1", "localhost"]),
            Middleware(BaseHTTPMiddleware, dispatch=_headers(settings, rendering)),
            Middleware(
                SessionMiddleware,
                secret_key=sign_in.session_secret,
                session_cookie="__Host-killreport_session" if public.scheme == "https" else "killreport_session",
                max_age=int(LASTS.total_seconds()),
                same_site="lax",
                https_only=public.scheme == "https",
            ),
        ],
        exception_handlers={
            HTTPException: not_found,
            Exception: failed,
            **dict.fromkeys((Problem, ServiceError, UserError, BrokerUnavailable, sa.exc.SQLAlchemyError), problem),
        },
    )


def _described(rendering: Rendering, rest: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    """The page that describes the APIs, from what FastAPI knows of them."""

    async def described(request: Request) -> Response:
        described_api = rest.openapi()
        return rendering.page(request, "api.html", api=described_api, filters=FILTER_NAMES, labels=list(LABELS))

    return described


def _moved(target: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(request: Request) -> Response:
        quoted = {name: quote(str(value), safe="") for name, value in request.path_params.items()}
        return RedirectResponse(target.format(**quoted), 302)

    return redirect


def _headers(settings: Settings, rendering: Rendering):  # type: ignore[no-untyped-def]  # a dispatch of Starlette's
    public, sso = urlsplit(settings.users.public_auth_url), urlsplit(settings.services.sso_url)
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        f"img-src 'self' {rendering.picture_origin}; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self' {sso.scheme}://{sso.netloc}",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

    async def with_headers(request: Request, call_next: RequestResponseEndpoint) -> Response:
        is_at_eve = request.url.path.startswith(PERSONAL)
        if is_at_eve and is_loopback(settings.users.public_auth_url) and request.url.hostname != public.hostname:
            # EVE sends browsers back there, so the session must be there too
            return RedirectResponse(settings.users.public_auth_url + "/me")
        response = await call_next(request)
        for name, value in headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store" if is_at_eve else "no-cache")
        return response

    return with_headers

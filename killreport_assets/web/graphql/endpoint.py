"""`/graphql`: what is admitted before a query runs, its limits, cached answers, and errors as callers see them.

Queries and mutations are posted as JSON; subscriptions come over server-sent events or graphql-transport-ws.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from ariadne.asgi import GraphQL
from ariadne.asgi.handlers import GraphQLTransportWSHandler
from ariadne.contrib.sse import GraphQLHTTPSSEHandler
from ariadne.explorer import ExplorerHttp405
from ariadne.validation import cost_validator
from graphene.validation import depth_limit_validator
from graphql import DocumentNode, FieldNode, GraphQLError, OperationDefinitionNode, parse, print_schema
from graphql.language import OperationType
from graphql.language.visitor import Visitor, visit
from graphql.validation import ASTValidationRule, validate
from sqlalchemy import exc
from sqlalchemy.engine import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from killreport_assets.web.callers import Caller, Callers, Refusal
from killreport_assets.web.feed import LiveFeed
from killreport_assets.web.graphql.context import Context
from killreport_assets.web.graphql.loaders import Reads
from killreport_assets.web.graphql.resolvers import build_schema
from killreport_assets.web.own import Own
from killreport_assets.web.statistics import build_version

log = logging.getLogger(__name__)
MAX_BODY = 64 * 1024
MAX_DEPTH = 12
MAX_TOKENS = 2_000
MAX_ALIASES = 30
MAX_COST_ANONYMOUS, MAX_COST_KNOWN = 5_000, 50_000
LIVE = {"myKillmails", "workerStatus", "build", "lineage", "zkillboard", "syncMyKillmails", "name", "search"}
"""Fields whose values change without a build: an answer with one of them is not cached."""
_of_callers = logging.getLogger(f"{__name__}.of_callers")
_of_callers.disabled = True  # Ariadne logs every error of a caller; _formatted logs those that are ours
INTERNAL = "this request failed: it is a fault of KillReport, and in its log"


class GraphqlEndpoint:
    """An ASGI application; one object serves all requests."""

    def __init__(self, engine: Engine, callers: Callers, own: Own, feed: LiveFeed) -> None:
        self._engine, self._callers, self._own, self._feed = engine, callers, own, feed
        self.schema = build_schema()
        self._ariadne = GraphQL(
            self.schema,
            context_value=self._context,
            validation_rules=self._rules,
            query_parser=_parsed,
            error_formatter=_formatted,
            explorer=ExplorerHttp405(),
            http_handler=GraphQLHTTPSSEHandler(),
            websocket_handler=GraphQLTransportWSHandler(),
            logger=_of_callers,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a request, and answer it."""
        connection = HTTPConnection(scope)
        try:
            if scope["type"] == "websocket":
                caller = await self._admit(connection)
                scope.setdefault("state", {})["caller"] = caller
                await self._ariadne(scope, receive, send)
                return
            await self._answer(Request(scope, receive), send)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 4403, "reason": str(refusal)})
                return
            await refused(refusal)(scope, receive, send)

    async def _answer(self, request: Request, send: Send) -> None:
        if request.method == "GET":
            await PlainTextResponse(print_schema(self.schema))(request.scope, request.receive, send)
            return
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(415, "BAD_REQUEST", "Queries are posted with the content type application/json.")
        body = await _body(request)
        caller = await self._admit(request)
        request.scope.setdefault("state", {})["caller"] = caller
        etag = await self._etag(body, caller)
        if etag is not None and request.headers.get("if-none-match") == etag:
            await Response(status_code=304, headers={"ETag": etag})(request.scope, request.receive, send)
            return

        async def again() -> Message:
            """Give the body that was read here, and after it what the server says, as that the caller left."""
            if not given:
                given.append(True)
                return {"type": "http.request", "body": body, "more_body": False}
            return await request.receive()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if etag is not None and message["status"] == 200:
                    headers.append((b"etag", etag.encode()))
                headers.append((b"vary", b"Authorization, Cookie"))
                message = {**message, "headers": headers}
            await send(message)

        given: list[bool] = []
        await self._ariadne(request.scope, again, with_headers)

    async def _admit(self, connection: HTTPConnection) -> Caller:
        return await run_in_threadpool(lambda: self._callers.admit(connection, is_same_site_needed=True))

    async def _etag(self, body: bytes, caller: Caller) -> str | None:
        """The version of the answer, if it changes with builds alone."""
        try:
            asked = json.loads(body)
            document = _parsed(None, asked)
        except (ValueError, TypeError, KeyError, GraphQLError, RecursionError):
            return None
        if _has_live_fields(document):
            return None
        version = await run_in_threadpool(self._version)
        digest = hashlib.sha256(f"{version}|{caller.is_known}|".encode() + body).hexdigest()[:32]
        return f'W/"{digest}"'

    def _version(self) -> str:
        with self._engine.connect() as connection:
            return build_version(connection)

    async def _context(self, request: Any, _data: Any = None) -> Context:
        caller, is_elsewhere = request.scope["state"]["caller"], self._own.is_hidden_from(request)
        return Context(caller, Reads(self._engine), self._own, self._feed, is_elsewhere)

    def _rules(self, context: Any, document: DocumentNode, data: Any) -> Sequence[type[ASTValidationRule]]:
        """The rules beside GraphQL's own, once those hold: fragments that contain themselves have no depth."""
        if validate(self.schema, document):
            return []
        most = MAX_COST_KNOWN if context.caller.is_known else MAX_COST_ANONYMOUS
        variables = data.get("variables") if isinstance(data, dict) else None
        cost = cost_validator(most, default_cost=1, variables=variables or {})
        return [depth_limit_validator(MAX_DEPTH), _alias_limit, cost]


class _alias_limit(ASTValidationRule):  # noqa: N801  # a rule is named like a function, as graphql-core's are not
    """No more aliases than `MAX_ALIASES` in a document."""

    def enter_document(self, node: DocumentNode, *_: Any) -> None:
        """Count them."""
        counted = _Aliases()
        visit(node, counted)
        if counted.count > MAX_ALIASES:
            self.report_error(GraphQLError(f"more than {MAX_ALIASES} aliases in a query"))


class _Aliases(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.count += node.alias is not None


class _Names(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.found.add(node.name.value)


def _has_live_fields(document: DocumentNode) -> bool:
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if any(operation.operation is not OperationType.QUERY for operation in operations):
        return True
    names = _Names()
    visit(document, names)
    return bool(names.found & LIVE)


def _parsed(_context: Any, data: Mapping[str, Any]) -> DocumentNode:
    return parse(data["query"], max_tokens=MAX_TOKENS)


async def _body(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise Refusal(413, "BAD_REQUEST", f"A request may have {MAX_BODY // 1024} KiB.")
    return body


def refused(refusal: Refusal) -> Response:
    """The answer to a request that is not admitted."""
    errors = [{"message": str(refusal), "extensions": {"code": refusal.code}}]
    return JSONResponse({"errors": errors}, refusal.status, refusal.headers)


def _formatted(error: GraphQLError, _debug: bool = False) -> dict[str, Any]:
    """An error as callers see it: those of the query as they are, what failed in us without its text."""
    original = error.original_error
    while isinstance(original, GraphQLError) and original.original_error is not None:
        original = original.original_error
    formatted: dict[str, Any] = dict(error.formatted)
    if isinstance(original, Refusal):
        formatted |= {"message": str(original), "extensions": {"code": original.code}}
    elif original is None or isinstance(original, GraphQLError):
        formatted["extensions"] = {"code": "BAD_USER_INPUT", **formatted.get("extensions", {})}
    elif isinstance(original, exc.OperationalError) and "statement timeout" in str(original):
        formatted |= {"message": "this takes too long: ask for less", "extensions": {"code": "TIMEOUT"}}
    else:
        log.error("a GraphQL field failed", exc_info=original)
        formatted |= {"message": INTERNAL, "extensions": {"code": "INTERNAL"}}
    return formatted

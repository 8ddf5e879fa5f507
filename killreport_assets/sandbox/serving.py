"""What every sandbox service does around its answer: count, fail on demand, cut short on demand."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from killreport_assets.sandbox.faults import Faults
from killreport_assets.sandbox.limits import Statistics

UNANSWERED = {"timeout", "hang"}
"""Faults after which the caller has stopped waiting."""
Handler = Callable[[Request], Response]


@dataclass
class Serving:
    """Shared by the services of one sandbox."""

    faults: Faults
    statistics: Statistics

    def route(
        self,
        service: str,
        path: str,
        handler: Handler,
        methods: tuple[str, ...] = ("GET",),
        around: Callable[[Request, Handler], Response] | None = None,
    ) -> Route:
        """A Starlette route of a service; `around` may refuse before the handler and add headers after it."""

        async def endpoint(request: Request) -> Response:
            self.statistics.arrived(service)
            request.state.body = await request.body()
            kind, failed = await self.faults.before(request)
            response = failed or (around(request, handler) if around else handler(request))
            if kind not in UNANSWERED:
                self.statistics.answers[f"{service} {response.status_code}"] += 1
            if kind == "truncated":
                return Response(response.body[: len(response.body) // 2], 200, media_type="application/json")
            return response

        return Route(f"/{service}{path}", endpoint, methods=list(methods))


def json_response(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS), status, headers, "application/json")


def refuse_blank_agent(request: Request) -> Response | None:
    """ZKillboard refuses requests without a User-Agent."""
    return None if request.headers.get("user-agent") else Response("a User-Agent is wanted", 403)


def part_of(request: Request, content: bytes, etag: str, media_type: str) -> Response:
    """A file, or what a request wants from a byte on, if it knows the file's current version."""
    wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("range", ""))
    headers = {"ETag": etag, "Accept-Ranges": "bytes"}
    if wanted is None or request.headers.get("if-range") != etag or int(wanted[1]) >= len(content):
        return Response(content, headers=headers, media_type=media_type)
    start = int(wanted[1])
    headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
    return Response(content[start:], 206, headers, media_type)

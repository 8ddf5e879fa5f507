"""Faults that tests switch on: latency, 5xx, broken JSON, 420, 429, a hung socket; for some or all paths."""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Kind = Literal["500", "502", "503", "timeout", "hang", "truncated", "420", "429"]
HANG_SECONDS = 3_600.0


class FaultRule(BaseModel):
    """Requests whose path starts with `path` fail in one of `kinds`, each with probability `rate`."""

    path: str = "/"
    kinds: list[Kind] = ["500"]
    rate: float = Field(1.0, ge=0, le=1)
    times: int | None = None
    """Only so often; None: until it is switched off."""


@dataclass
class Faults:
    """The switches."""

    latency: float = 0.0
    rules: list[FaultRule] = field(default_factory=list)
    timeout_seconds: float = 5.0
    _rng: random.Random = field(default_factory=lambda: random.Random(7))

    def set(self, switches: dict[str, Any]) -> None:
        """Replace the switches: `{"latency": seconds, "timeout_seconds": s, "rules": [...]}`."""
        self.latency = float(switches.get("latency", 0.0))
        self.timeout_seconds = float(switches.get("timeout_seconds", 5.0))
        self.rules = [FaultRule.model_validate(rule) for rule in switches.get("rules", [])]

    async def before(self, request: Request) -> tuple[str | None, Response | None]:
        """Delay the request; the fault that it is to have, and the answer where the fault is the answer."""
        if self.latency:
            await asyncio.sleep(self.latency)
        kind = self._choose(request.url.path)
        return kind, None if kind in {None, "truncated"} else await self._answer(str(kind))

    async def _answer(self, kind: str) -> Response:
        if kind in {"timeout", "hang"}:
            await asyncio.sleep(self.timeout_seconds if kind == "timeout" else HANG_SECONDS)
            return JSONResponse({"error": "Timeout contacting tranquility"}, 504)
        if kind == "420":
            body = {"error": "This software has exceeded the error limit for ESI."}
            headers = {"X-ESI-Error-Limit-Remain": "0", "X-ESI-Error-Limit-Reset": "2"}
            return JSONResponse(body, 420, headers)
        if kind == "429":
            return JSONResponse({"error": "Too many requests"}, 429, {"Retry-After": "2"})
        return JSONResponse({"error": "The datasource tranquility is temporarily unavailable"}, int(kind))

    def _choose(self, path: str) -> str | None:
        for rule in self.rules:
            if path.startswith(rule.path) and rule.times != 0 and self._rng.random() < rule.rate:
                if rule.times is not None:
                    rule.times -= 1
                return self._rng.choice(rule.kinds)
        return None

"""The sandbox's control routes, for tests."""

from collections.abc import Sequence
from typing import Any

import requests

from killreport_assets.esi.routes import CHARACTER_SCOPE, CORPORATION_SCOPE
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets.sandbox.services.sso import NATIVE_CLIENT

BOTH_SCOPES = (CHARACTER_SCOPE, CORPORATION_SCOPE)


class Sandbox:
    """Switches faults and reads statistics of a running sandbox."""

    def __init__(self, process: SandboxProcess) -> None:
        self.urls = process.urls
        self._url = f"http://127.0.0.1:{process.port}/sandbox"
        self.reset()

    def reset(self) -> None:
        """No faults, statistics and limits from zero."""
        requests.post(f"{self._url}/reset", timeout=5).raise_for_status()

    def faults(self, *rules: dict[str, Any], latency: float = 0.0, timeout_seconds: float = 5.0) -> None:
        """Switch these faults on, and no others."""
        switches = {"rules": rules, "latency": latency, "timeout_seconds": timeout_seconds}
        requests.put(f"{self._url}/faults", json=switches, timeout=5).raise_for_status()

    def release(self, count: int) -> int:
        """Release made killmails on the live feed; the head's sequence number."""
        head: int = requests.post(f"{self._url}/release", params={"count": count}, timeout=5).json()["head"]
        return head

    def move(self, character_id: int, corporation_id: int, alliance_id: int | None = None) -> None:
        """Let a character change its corporation."""
        body = {"character_id": character_id, "corporation_id": corporation_id, "alliance_id": alliance_id}
        requests.post(f"{self._url}/move", json=body, timeout=5).raise_for_status()

    def grant(
        self, character_id: int, scopes: Sequence[str] = BOTH_SCOPES, client_id: str = NATIVE_CLIENT
    ) -> dict[str, Any]:
        """Tokens of a character, as EVE's sign-in gives them."""
        body = {"character_id": character_id, "scopes": list(scopes), "client_id": client_id}
        tokens: dict[str, Any] = requests.post(f"{self._url}/sso/grant", json=body, timeout=5).json()
        return tokens

    def sso(self, **switches: Any) -> None:
        """Change how the SSO behaves: rotation, lifetime, defect, scp, issuer; what is not given is as usual."""
        requests.put(f"{self._url}/sso", json=switches, timeout=5).raise_for_status()

    def issued(self) -> list[str]:
        """Every code, access token and refresh token that its SSO has issued."""
        secrets: list[str] = requests.get(f"{self._url}/sso/issued", timeout=5).json()
        return secrets

    def token_requests(self) -> int:
        """How often its SSO was asked for tokens."""
        return self.statistics()["bodies"].get("/sso/v2/oauth/token", 0)

    def end_grants(self, character_id: int) -> None:
        """EVE no longer accepts a grant of the character."""
        requests.post(f"{self._url}/sso/end", json={"character_id": character_id}, timeout=5).raise_for_status()

    def sell(self, character_id: int) -> None:
        """The character moves to another account."""
        requests.post(f"{self._url}/sso/sell", json={"character_id": character_id}, timeout=5).raise_for_status()

    def authorized_killmails(self, **switches: Any) -> None:
        """Change page_size, cache_seconds, or what the corporation route says to whom: refused={id: "role"}."""
        requests.put(f"{self._url}/own-killmails", json=switches, timeout=5).raise_for_status()

    def statistics(self) -> dict[str, dict[str, int]]:
        """What it saw since the last reset."""
        statistics: dict[str, dict[str, int]] = requests.get(f"{self._url}/statistics", timeout=5).json()
        return statistics

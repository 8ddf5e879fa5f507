"""The sandbox's control routes, for tests."""

from typing import Any

import requests

from killreport_assets.sandbox.app import SandboxProcess


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

    def statistics(self) -> dict[str, dict[str, int]]:
        """What it saw since the last reset."""
        statistics: dict[str, dict[str, int]] = requests.get(f"{self._url}/statistics", timeout=5).json()
        return statistics

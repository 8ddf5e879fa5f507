"""The sandbox's live feed: the genuine entries, then generated ones that are released one by one while it runs."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from killreport_assets.sandbox.generated import FIRST_GENERATED_ID, LABEL, GeneratedKillmails
from killreport_assets.sandbox.world import FIRST_SEQUENCE, GenuineKillmail, Record, World


class LiveFeed:
    """Entries by sequence number, from `FIRST_SEQUENCE`.

    When which made killmail was released is kept in a small file, one line each, so that a restarted sandbox goes on
    where it was: cursors stay valid, and the same id stays the same killmail.
    """

    def __init__(self, world: World, generated: GeneratedKillmails, state: Path | None = None) -> None:
        self._genuine = world.part("r2z2")
        self._generated = generated
        self._state = state
        self._released: list[int] = []
        if state is not None and state.exists():
            self._released = [int(line) for line in state.read_text().split()]

    @property
    def head(self) -> int:
        """The newest entry's number."""
        return FIRST_SEQUENCE + len(self._genuine) + len(self._released) - 1

    def release(self, count: int = 1) -> int:
        """Release further generated killmails, with the present time; returns the head's sequence number."""
        now = int(time.time())
        self._released += [now] * count
        if self._state is not None:
            with self._state.open("a") as file:
                file.write(f"{now}\n" * count)
        return self.head

    def entry(self, sequence: int) -> Record | None:
        """The envelope of one entry, None where there is none."""
        index = sequence - FIRST_SEQUENCE
        if 0 <= index < len(self._genuine):
            killmail = self._genuine[index]
            return _envelope(killmail.body, killmail.hash, _block(killmail), sequence, STARTED)
        made = self._generated_at(index - len(self._genuine))
        if made is None:
            return None
        body, killmail_hash, released_at = made
        block = {"hash": killmail_hash, "labels": [LABEL], "attackerCount": len(body["attackers"])}
        return _envelope(body, killmail_hash, block, sequence, released_at)

    def generated_by_id(self, killmail_id: int) -> tuple[Record, str] | None:
        """A released generated killmail's body and hash."""
        made = self._generated_at(killmail_id - FIRST_GENERATED_ID)
        return made and made[:2]

    def _generated_at(self, index: int) -> tuple[Record, str, datetime] | None:
        if not 0 <= index < len(self._released):
            return None
        released_at = datetime.fromtimestamp(self._released[index], UTC)
        return *self._generated.killmail(index, released_at), released_at


STARTED = datetime(2026, 8, 18, tzinfo=UTC)


def _block(killmail: GenuineKillmail) -> Record:
    return {**(killmail.zkb or {}), "hash": killmail.hash, "attackerCount": len(killmail.body["attackers"])}


def _envelope(body: Any, killmail_hash: str, block: Record, sequence: int, uploaded: datetime) -> Record:
    return {
        "killmail_id": body["killmail_id"],
        "hash": killmail_hash,
        "esi": body,
        "zkb": block,
        "uploaded_at": int(uploaded.timestamp()),
        "sequence_id": sequence,
    }

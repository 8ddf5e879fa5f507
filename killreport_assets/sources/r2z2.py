"""R2Z2, zKillboard's live feed: numbered entries with whole bodies. The cursor is in `ops.feed_cursors`.

Sources of the shape and of the rules of use: R2Z2's own examples and zKillboard's cron/1.r2z2.php.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import requests
from sqlalchemy.engine import Engine

from killreport_assets.http.errors import GONE_STATUSES, ServiceError, Throttled, Unavailable
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.models.killmail import KillmailBody, is_killmail_id, recorded_hash
from killreport_assets.settings import Settings
from killreport_assets.sources.zkb_block import zkillboard_values

FEED = "r2z2"
MAX_LAG = 51
"""How far `sequence.json` may be behind the newest entry: R2Z2 rewrites it every 51 entries."""
MAX_GAP = 50
"""Missing entries that are requested one by one before a later entry is searched for."""
MAX_CONTENT = 2**20
"""Bytes that are kept of an answer that is no entry."""
PAUSE_SECONDS = {429: 30.0, 403: 60.0}
"""How long zKillboard asks to wait after these statuses."""


@dataclass(frozen=True)
class FeedEntry:
    """One entry: the body as received, zKillboard's row if the envelope is readable, and an entry to read again."""

    body: KillmailBody
    values: dict[str, object] | None
    updated_sequence: int | None = None


class UnreadableEntry(Exception):
    """An entry that the feed has and that cannot be read; the feed itself may be fine."""

    def __init__(self, sequence: int, reason: str, content: bytes | None) -> None:
        super().__init__(f"entry {sequence}: {reason}")
        self.sequence, self.reason, self.content = sequence, reason, content


class R2z2Client:
    """Asks R2Z2 within its request budget."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._url = settings.services.r2z2_url
        self._session = HttpSession(settings)
        self._budget = RequestBudget(engine, "r2z2", settings.services.r2z2_max_rps, expected=GONE_STATUSES)

    def close(self) -> None:
        """Close the connections."""
        self._budget.flush()
        self._session.close()

    def _ask(self, path: str) -> requests.Response:
        """Request a file by its path.

        Raises:
            Throttled: R2Z2 asks to wait.
            ServiceError: it does not answer.
        """
        response = self._session.request("GET", f"{self._url}/{path}", within=self._budget.spend)
        if response.status_code in PAUSE_SECONDS:
            reason = f"R2Z2 answers {response.status_code}"
            raise Throttled(reason, self._budget.pause(PAUSE_SECONDS[response.status_code], reason))
        return response


class R2z2Feed(R2z2Client):
    """Reads the feed's entries."""

    def head(self) -> int:
        """Fetch the newest entry's number; it may be up to 51 entries behind.

        Raises:
            ServiceError: the request failed, or the answer has no number.
        """
        response = self._ask("ephemeral/sequence.json")
        if response.status_code != requests.codes.ok:
            raise Unavailable(f"{response.url}: {response.status_code}")
        body = json_body(response)
        if not isinstance(body, dict) or not is_killmail_id(body.get("sequence")):
            raise Unavailable(f"{response.url}: has no sequence number")
        head: int = body["sequence"]
        return head

    def entry(self, sequence: int) -> FeedEntry | None:
        """Fetch one entry; None if it is not published yet, or has expired.

        Raises:
            UnreadableEntry: the answer is an error or no JSON, or does not come.
            Throttled: R2Z2 asks to wait.
        """
        try:
            response = self._ask(f"ephemeral/{sequence}.json")
        except Throttled:
            raise
        except ServiceError as error:
            raise UnreadableEntry(sequence, str(error), None) from None
        if response.status_code in GONE_STATUSES:
            return None
        content = response.content[:MAX_CONTENT]
        if response.status_code != requests.codes.ok:
            raise UnreadableEntry(sequence, f"{response.url}: {response.status_code}", content)
        try:
            return read_entry(json_body(response))
        except ServiceError as error:
            raise UnreadableEntry(sequence, str(error), content) from None

    def later_entry(self, missing: int, head: int) -> int:
        """Find an entry after the missing one that the feed has; `head` if there is none before it.

        The first MAX_GAP numbers are requested one by one. After that, entries have most likely expired, and a binary
        search finds where the feed begins again; the numbers that it passes over were not requested.
        """
        for sequence in range(missing + 1, min(missing + MAX_GAP, head) + 1):
            if self._has(sequence):
                return sequence
        expired, available = missing + MAX_GAP, head
        while available - expired > 1:
            middle = (available + expired) // 2
            if self._has(middle):
                available = middle
            else:
                expired = middle
        return max(available, missing)

    def _has(self, sequence: int) -> bool:
        try:
            return self.entry(sequence) is not None
        except UnreadableEntry:
            return True


def read_entry(envelope: object) -> FeedEntry:
    """Read an envelope; the writer requests from ESI what has an id and a hash only, and rejects what has neither."""
    if not isinstance(envelope, dict):
        return FeedEntry(KillmailBody(envelope), None)
    body, block = envelope.get("esi"), envelope.get("zkb")
    ids = (part.get("killmail_id") for part in (body, envelope) if isinstance(part, dict))
    hashes = (recorded_hash(part.get("hash")) for part in (envelope, block) if isinstance(part, dict))
    killmail_id = next(filter(is_killmail_id, ids), None)
    uploaded, updated = envelope.get("uploaded_at"), envelope.get("sequence_updated")
    values = None
    if killmail_id is not None and (observed_at := _time_of(uploaded)) is not None:
        values = zkillboard_values(killmail_id, block, observed_at)
    return FeedEntry(
        KillmailBody(body, next(filter(None, hashes), None), killmail_id, as_received=envelope),
        values,
        updated if is_killmail_id(updated) else None,
    )


def _time_of(unix_seconds: object) -> datetime | None:
    if not isinstance(unix_seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(unix_seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None

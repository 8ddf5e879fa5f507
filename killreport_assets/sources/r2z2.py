"""R2Z2, zKillboard's live feed: numbered entries with whole bodies. The cursor is in `ops.feed_cursors`.

Sources of the shape and of the rules of use: R2Z2's own examples and zKillboard's cron/1.r2z2.php.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.engine import Engine

from killreport_assets.http.errors import Throttled, Unavailable
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.session import HttpSession, json_body
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.settings import Settings
from killreport_assets.sources.zkb_block import is_killmail_id, zkillboard_values

FEED = "r2z2"
MAX_GAP = 50
"""Missing entries that are probed one by one; the feed reports its head only every 51 entries."""
PAUSE_SECONDS = {429: 30.0, 403: 60.0}
"""How long zKillboard asks to wait after these statuses."""


@dataclass(frozen=True)
class FeedEntry:
    """One entry: the body as received, zKillboard's row if the envelope is readable, and an entry to read again."""

    body: KillmailBody
    values: dict[str, object] | None
    updated_sequence: int | None = None


class R2z2Feed:
    """Reads entries within the request budget."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._url = settings.services.r2z2_url
        self._session = HttpSession(settings)
        self._budget = RequestBudget(engine, "r2z2", settings.services.r2z2_max_rps, expected=frozenset({404}))

    def head(self) -> int:
        """Fetch the newest entry's number; it may be up to 51 entries behind.

        Raises:
            ServiceError: the request failed, or the answer has no number.
        """
        body = self._get("sequence")
        if not isinstance(body, dict) or not isinstance(body.get("sequence"), int):
            raise Unavailable("R2Z2: sequence.json has no number")
        head: int = body["sequence"]
        return head

    def entry(self, sequence: int) -> FeedEntry | None:
        """Fetch one entry; None if it is not published yet, or has expired."""
        return read_entry(body) if (body := self._get(str(sequence))) is not None else None

    def next_available(self, missing: int, head: int) -> int:
        """Find the first available entry after `missing`, given the feed's `head`.

        Short gaps are probed entry by entry; expired entries are one contiguous range, whose end a binary search finds.
        """
        for sequence in range(missing + 1, min(missing + MAX_GAP, head) + 1):
            if self._get(str(sequence)) is not None:
                return sequence
        expired, available = missing + MAX_GAP, head
        while available - expired > 1:
            middle = (available + expired) // 2
            if self._get(str(middle)) is None:
                expired = middle
            else:
                available = middle
        return available

    def close(self) -> None:
        """Close the connections."""
        self._budget.flush()
        self._session.close()

    def _get(self, name: str) -> object:
        response = self._session.request("GET", f"{self._url}/ephemeral/{name}.json", within=self._budget.spend)
        status = response.status_code
        if status == 404:
            return None
        if status in PAUSE_SECONDS:
            reason = f"R2Z2 answers {status}"
            raise Throttled(reason, self._budget.pause(PAUSE_SECONDS[status], reason))
        if status != 200:
            raise Unavailable(f"{response.url}: {status}")
        return json_body(response)


def read_entry(envelope: object) -> FeedEntry:
    """Read an envelope; one without a readable killmail is returned as it is, and the writer rejects it."""
    if not isinstance(envelope, dict) or not isinstance(envelope.get("esi"), dict):
        return FeedEntry(KillmailBody(envelope, None), None)
    body, recorded_hash = envelope["esi"], envelope.get("hash")
    uploaded, updated = envelope.get("uploaded_at"), envelope.get("sequence_updated")
    killmail_id = body.get("killmail_id")
    values = None
    if is_killmail_id(killmail_id) and (observed_at := _time_of(uploaded)) is not None:
        values = zkillboard_values(killmail_id, envelope.get("zkb"), observed_at)
    return FeedEntry(
        KillmailBody(body, recorded_hash if isinstance(recorded_hash, str) else None),
        values,
        updated if isinstance(updated, int) else None,
    )


def _time_of(unix_seconds: object) -> datetime | None:
    if not isinstance(unix_seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(unix_seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None

"""Alerts: a message when a problem of the platform's health begins and one when it ends, by Apprise.

What is a problem is decided in monitoring/problems.py. What has been said is kept in HOME/alerts.json: the database may
be what is down.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from killreport_assets.base.errors import UserError
from killreport_assets.base.files import held_by_one, replace_file
from killreport_assets.base.redaction import without_secrets
from killreport_assets.base.text import printable
from killreport_assets.monitoring.health import check_health
from killreport_assets.settings import Settings

LOOK_SECONDS = 15.0
BEGINS_AFTER = timedelta(seconds=10)
"""A problem that a second look does not find is none."""
ENDS_AFTER = timedelta(seconds=60)
NUMBERS = re.compile(r"[0-9][0-9.,:]*")
Send = Callable[[str, str], bool]
"""Sends a title and a text; whether any address took it."""
log = logging.getLogger(__name__)


@dataclass
class KnownProblem:
    """A problem, when it was first and last seen, and when an alert last said that it began; None: not yet."""

    text: str
    first_seen: datetime
    last_seen: datetime
    alerted_at: datetime | None = None
    is_over: bool = False


class Alerts:
    """Decides what to say; `pause` is how long a problem that comes and goes is not repeated."""

    def __init__(self, file: Path, pause: timedelta) -> None:
        self._file, self._pause = file, pause
        self._known = _read(file)

    def look(self, problems: Sequence[str], now: datetime, send: Send) -> None:
        """Compare the problems of now with those that are known, and send what has begun and what has ended.

        What no address takes is sent at the next look.
        """
        for text in problems:
            known = self._known.setdefault(_key(text), KnownProblem(text, now, now))
            if known.is_over:
                known.first_seen, known.is_over = now, False
            known.text, known.last_seen = text, now
        begun = [known for known in self._known.values() if self._begins(known, now)]
        ended = [known for known in self._known.values() if _ends(known, now)]
        if (begun or ended) and send(*_message(begun, ended)):
            for known in begun:
                known.alerted_at = now
            for known in ended:
                known.is_over = True
        self._known = {key: known for key, known in self._known.items() if not self._is_forgotten(known, now)}
        _write(self._file, self._known)

    def _begins(self, known: KnownProblem, now: datetime) -> bool:
        is_there = known.last_seen == now and now - known.first_seen >= BEGINS_AFTER
        is_said = known.alerted_at is not None and known.alerted_at >= known.first_seen
        is_recent = known.alerted_at is not None and now - known.alerted_at < self._pause
        return is_there and not is_said and not is_recent

    def _is_forgotten(self, known: KnownProblem, now: datetime) -> bool:
        if known.alerted_at is None:
            return now - known.last_seen >= ENDS_AFTER
        return known.is_over and now - known.alerted_at >= self._pause


def _ends(known: KnownProblem, now: datetime) -> bool:
    is_said = known.alerted_at is not None and known.alerted_at >= known.first_seen
    return is_said and not known.is_over and now - known.last_seen >= ENDS_AFTER


def _key(text: str) -> str:
    """The same problem a minute later has other numbers."""
    return NUMBERS.sub("#", text)


def _message(begun: Sequence[KnownProblem], ended: Sequence[KnownProblem]) -> tuple[str, str]:
    lines = [f"begun {known.first_seen:%F %T} UTC: {known.text}" for known in begun]
    lines += [f"ended {known.last_seen:%F %T} UTC: {known.text}" for known in ended]
    counts = [f"{len(part)} {word}" for part, word in ((begun, "begun"), (ended, "ended")) if part]
    return f"KillReport: problems, {' and '.join(counts)}", without_secrets("\n".join(map(printable, lines)))


def _read(file: Path) -> dict[str, KnownProblem]:
    try:
        content: dict[str, dict[str, Any]] = json.loads(file.read_text())
        return {key: KnownProblem(**_moments(values)) for key, values in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError) as damaged:
        log.warning("%s cannot be read, and begins again: %s", file, damaged)
        return {}


def _moments(values: dict[str, Any]) -> dict[str, Any]:
    names = ("first_seen", "last_seen", "alerted_at")
    return values | {name: datetime.fromisoformat(values[name]) for name in names if values[name] is not None}


def _write(file: Path, known: dict[str, KnownProblem]) -> None:
    replace_file(file, json.dumps({key: asdict(one) for key, one in known.items()}, default=str) + "\n")


class Addresses:
    """Where alerts go: the addresses of KILLREPORT_ALERT_URLS."""

    def __init__(self, settings: Settings) -> None:
        """Read the setting.

        Raises:
            UserError: it has no address, or one that Apprise does not know; the text does not repeat it.
        """
        import apprise  # it knows a hundred services, and takes its time

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it may log addresses
        urls = settings.operator.alert_urls.get_secret_value().split() if settings.operator.alert_urls else []
        if not urls:
            raise UserError("KILLREPORT_ALERT_URLS is not set: it says where alerts go, as in mailto://… or ntfy://…")
        self._addresses = [apprise.Apprise() for _ in urls]
        for number, (address, url) in enumerate(zip(self._addresses, urls, strict=True), 1):
            if not address.add(url):
                raise UserError(
                    f"KILLREPORT_ALERT_URLS: address {number} is none that Apprise knows: "
                    "https://github.com/caronc/apprise/wiki lists them"
                )

    def send(self, title: str, text: str) -> bool:
        """Send to every address; whether any took it. One that does not answer keeps nothing from the others."""
        return len(self.refusing(title, text)) < len(self._addresses)

    def refusing(self, title: str, text: str) -> list[int]:
        """Send to every address; the numbers, from 1, of those that did not take it."""
        refused = [
            number for number, address in enumerate(self._addresses, 1) if not address.notify(title=title, body=text)
        ]
        if refused:
            log.warning("an alert was not taken by addresses %s of KILLREPORT_ALERT_URLS", refused)
        return refused


def watch(settings: Settings, is_over: Callable[[], bool] = lambda: False) -> None:
    """Look at the platform's health again and again, and send what begins and ends.

    Raises:
        UserError: see `Addresses`.
        Taken: another process does so in this home.
    """
    addresses = Addresses(settings)
    with held_by_one(settings.home / "alerts.lock", f"`killreport alerts watch` already runs in {settings.home}"):
        alerts = Alerts(settings.home / "alerts.json", timedelta(seconds=settings.operator.alert_pause))
        while not is_over():
            started = time.monotonic()
            alerts.look(_problems(settings), datetime.now(UTC), addresses.send)
            time.sleep(max(0.0, LOOK_SECONDS - (time.monotonic() - started)))


def _problems(settings: Settings) -> Sequence[str]:
    try:
        return check_health(settings).problems
    except Exception as error:
        log.exception("the health cannot be checked")
        return [f"the health cannot be checked: {type(error).__name__}"]

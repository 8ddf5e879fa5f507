"""RabbitMQ's management API, which alone knows the messages in flight and how long the oldest has waited."""

import logging
import time
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import requests

log = logging.getLogger(__name__)
SECONDS = 5.0


class Management:
    """Queries the management API at `url` about the virtual host of `amqp_url`."""

    def __init__(self, url: str, amqp_url: str) -> None:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        self._base = f"{parts.scheme}://{parts.hostname}{port}{parts.path.rstrip('/')}"
        self._auth = (unquote(parts.username or "guest"), unquote(parts.password or "guest"))
        self._vhost = unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"

    def look(self, queue: str) -> tuple[int | None, float | None]:
        """Return the number of unacknowledged messages, and how long the first has waited; None where it is unknown."""
        answer = self._ask(queue)
        unacknowledged, published_at = answer.get("messages_unacknowledged"), answer.get("head_message_timestamp")
        return (
            unacknowledged if isinstance(unacknowledged, int) else None,
            max(0.0, time.time() - published_at) if isinstance(published_at, int) else None,
        )

    def _ask(self, queue: str) -> dict[str, Any]:
        url = f"{self._base}/api/queues/{quote(self._vhost, safe='')}/{quote(queue, safe='')}"
        try:
            body = requests.get(url, auth=self._auth, timeout=SECONDS).json()
        except (requests.RequestException, ValueError) as error:
            log.warning("RabbitMQ's management API at %s does not answer: %s", self._base, type(error).__name__)
            return {}
        return body if isinstance(body, dict) else {}

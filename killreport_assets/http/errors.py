"""Errors of requests, grouped by what to do next: clients raise them, workers decide."""

from datetime import datetime

GONE_STATUSES = frozenset({404, 410})
"""The record never existed, or no longer exists; ESI answers 410 for deleted characters (esi-issues #543)."""


class ServiceError(Exception):
    """A request to a service failed."""


class Unavailable(ServiceError):
    """A 5xx, no answer or a broken body: the same request may succeed later."""


class Throttled(ServiceError):
    """Requests must wait: a 420, a 429, an empty token bucket, or a pause that another process has recorded."""

    def __init__(self, reason: str, until: datetime, token_owner: str = "") -> None:
        """`token_owner` is set when only the requests of one token owner have to wait."""
        super().__init__(f"{reason}; until {until:%F %T} UTC")
        self.reason = reason
        self.until = until
        self.token_owner = token_owner


class Refused(ServiceError):
    """A 4xx that a retry does not change."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class TooLarge(Refused):
    """The answer exceeds its limit of bytes."""


class Gone(Refused):
    """404 or 410 for a record: it never existed, or no longer exists."""


class InvalidHash(Refused):
    """ESI does not know this pair of killmail_id and killmail_hash (400, 404 or 422)."""


class Forbidden(Refused):
    """401 or 403: the token is missing or does not allow the request; `said` is the service's reason."""

    def __init__(self, text: str, status: int | None = None, said: str = "") -> None:
        super().__init__(text, status)
        self.said = said

"""What can go wrong with a request, by what to do next: the clients raise, the workers decide."""

from datetime import datetime


class ServiceError(Exception):
    """A service did not give what was asked for."""


class Unavailable(ServiceError):
    """5xx, no answer, a broken body: the same request may well succeed later."""


class Throttled(ServiceError):
    """The service asks to wait: a 420, a 429, an empty token bucket, or a pause that another process has noted."""

    def __init__(self, reason: str, until: datetime, token_owner: str = "") -> None:
        """`token_owner` is whose bucket it is, when only its requests have to wait."""
        super().__init__(f"{reason}; until {until:%F %T} UTC")
        self.reason = reason
        self.until = until
        self.token_owner = token_owner


class Refused(ServiceError):
    """A 4xx that no repetition changes."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class Gone(Refused):
    """404 for a record: it never existed, or no longer does."""


class InvalidHash(Refused):
    """ESI does not know this pair of killmail_id and killmail_hash (400, 404 or 422)."""


class Forbidden(Refused):
    """401 or 403: not without a token, or not with this one; `said` is the service's own reason."""

    def __init__(self, text: str, status: int | None = None, said: str = "") -> None:
        super().__init__(text, status)
        self.said = said

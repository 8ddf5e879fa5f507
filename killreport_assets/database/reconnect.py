"""Retries while PostgreSQL or the broker cannot be reached. workers/worker.py handles errors of services."""

import logging
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from killreport_assets.base.errors import BrokerUnavailable, ServerUnreachable

log = logging.getLogger(__name__)
INITIAL_BACKOFF, MAX_BACKOFF = 0.5, 15.0
Result = TypeVar("Result")


def is_lost_connection(error: BaseException) -> bool:
    """Whether the broker or PostgreSQL cannot be reached, or the connection to it broke."""
    if isinstance(error, BrokerUnavailable | ServerUnreachable):
        return True
    is_invalidated = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return is_invalidated or isinstance(error, sa.exc.OperationalError)


def describe_connection_error(error: BaseException) -> str:
    """Describe a lost connection in one line."""
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return f"PostgreSQL: {original}".splitlines()[0] if original is not error else str(error).splitlines()[0]


def retry_on_lost_connection(action: Callable[[], Result], seconds: float) -> Result:
    """Run an action, and retry it for up to `seconds` while a server cannot be reached; retries are logged.

    Raises:
        BrokerUnavailable, ServerUnreachable, sqlalchemy.exc.DBAPIError: the server cannot be reached in that time.
    """

    def log_retry(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        log.warning("%s; retrying in %.1f s", describe_connection_error(error) if error else "lost", wait)

    retrying = Retrying(
        retry=retry_if_exception(is_lost_connection),
        stop=stop_after_delay(seconds),
        before_sleep=log_retry,
        reraise=True,
        wait=wait_exponential_jitter(INITIAL_BACKOFF, MAX_BACKOFF),
    )
    result: Result = retrying(action)
    return result

"""Reconnecting to a server of ours, with backoff. Errors of services are for workers/worker.py."""

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
    """Whether a server of ours went away, or is not there (yet): the broker or PostgreSQL."""
    if isinstance(error, BrokerUnavailable | ServerUnreachable):
        return True
    is_invalidated = isinstance(error, sa.exc.DBAPIError) and error.connection_invalidated
    return is_invalidated or isinstance(error, sa.exc.OperationalError)


def describe_connection_error(error: BaseException) -> str:
    """One line about a lost connection."""
    original = error.orig if isinstance(error, sa.exc.DBAPIError) else error
    return f"PostgreSQL: {original}".splitlines()[0] if original is not error else str(error).splitlines()[0]


def retry_on_lost_connection(action: Callable[[], Result], seconds: float) -> Result:
    """Run an action; while a server cannot be reached, run it again for up to `timeout` seconds, and log that.

    Raises:
        BrokerUnavailable, ServerUnreachable, sqlalchemy.exc.DBAPIError: it cannot be reached after all.
    """

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0.0
        log.warning("%s; trying again in %.1f s", describe_connection_error(error) if error else "lost", wait)

    retrying = Retrying(
        retry=retry_if_exception(is_lost_connection),
        stop=stop_after_delay(seconds),
        before_sleep=say,
        reraise=True,
        wait=wait_exponential_jitter(INITIAL_BACKOFF, MAX_BACKOFF),
    )
    result: Result = retrying(action)
    return result

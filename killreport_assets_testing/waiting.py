"""Waiting for a condition with a generous deadline: a busy machine makes a test slow, never red."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.05


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait until the condition is true.

    Raises:
        AssertionError: it is not after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {seconds:g} s"
        time.sleep(POLL_SECONDS)

"""Waiting for a condition with a generous deadline: a busy machine makes a test slow, never red."""

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import requests

POLL_SECONDS = 0.05


def answers(url: str) -> bool:
    """Whether a server answers there, whatever it says."""
    try:
        requests.get(url, timeout=5)
    except requests.RequestException:
        return False
    return True


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """A process, killed where a test ends before it: the test would wait for it without end."""
    with subprocess.Popen(command, text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(condition: Callable[[], object], seconds: float = 180.0) -> None:
    """Wait until the condition is true.

    Raises:
        AssertionError: it is not after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not true after {seconds:g} s"
        time.sleep(POLL_SECONDS)

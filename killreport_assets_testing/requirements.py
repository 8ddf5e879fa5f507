"""What a machine may lack: tests that need it are skipped there, and fail in CI."""

import os
from typing import NoReturn

import pytest

IS_CI = os.environ.get("CI") == "true"


def missing(message: str) -> NoReturn:
    """End a test whose requirement is not installed.

    Raises:
        pytest.skip.Exception, in CI pytest.fail.Exception: with the message.
    """
    end = pytest.fail if IS_CI else pytest.skip
    end(message)

"""`killreport …` in this process: as quick as a function call, with what it prints and its exit code."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from killreport_assets.cli.common import current_settings
from killreport_assets.cli.main import main


@dataclass(frozen=True)
class Answer:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def is_one_line(self) -> bool:
        """Whether all that it says is one line about an error."""
        return self.stderr.startswith("error: ") and self.stderr.count("\n") == 1 and not self.stdout


class Command:
    """Runs commands with the environment of the test."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str) -> Answer:
        """Run `killreport …` to its end."""
        self._capture.readouterr()
        with _process(arguments), pytest.raises(SystemExit) as ended:
            main()
        captured = self._capture.readouterr()
        return Answer(int(ended.value.code or 0), captured.out, captured.err)


@contextmanager
def _process(arguments: tuple[str, ...]) -> Iterator[None]:
    """Let the command have what a process of its own has, and leave none of it behind."""
    argv, environment, umask = sys.argv, dict(os.environ), os.umask(0o022)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    sys.argv = ["killreport", *arguments]
    current_settings.cache_clear()
    try:
        yield
    finally:
        current_settings.cache_clear()
        sys.argv = argv
        os.environ.clear()
        os.environ.update(environment)
        os.umask(umask)
        for number, handler in handlers.items():
            signal.signal(number, handler)

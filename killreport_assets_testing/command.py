"""`killreport …` in this process: as quick as a function call, with what it prints and its exit code."""

import logging
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from killreport_assets.base.logs import LOGGER
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


def run_command(arguments: tuple[str, ...], environment: Mapping[str, str], folder: Path) -> Answer:
    """Run `killreport …` to its end, with these variables and in this directory.

    Not for a command whose place another program takes, nor for `run`, which keeps the output that it finds.
    """
    out, err = (TextIOWrapper(BytesIO(), "utf-8", write_through=True) for _ in range(2))
    printed = (redirect_stdout(out), redirect_stderr(err))
    with _process(arguments, environment), chdir(folder), printed[0], printed[1], pytest.raises(SystemExit) as ended:
        main()
    return Answer(int(ended.value.code or 0), _written(out), _written(err))


class Command:
    """Runs commands with the environment of the test."""

    def __call__(self, *arguments: str) -> Answer:
        """Run `killreport …` to its end."""
        return run_command(arguments, os.environ.copy(), Path.cwd())


@contextmanager
def _process(arguments: tuple[str, ...], variables: Mapping[str, str]) -> Iterator[None]:
    """Let the command have what a process of its own has, and leave none of it behind."""
    argv, environment, umask = sys.argv, dict(os.environ), os.umask(0o022)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    logger = logging.getLogger(LOGGER)
    log_handlers, propagate, level = logger.handlers[:], logger.propagate, logger.level
    sys.argv = ["killreport", *arguments]
    _set_environment(variables)
    current_settings.cache_clear()
    logger.handlers.clear()  # a new one writes to the error output of now
    try:
        yield
    finally:
        current_settings.cache_clear()
        sys.argv = argv
        _set_environment(environment)
        os.umask(umask)
        logger.handlers[:], logger.propagate = log_handlers, propagate
        logger.setLevel(level)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _written(stream: TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def _set_environment(variables: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(variables)

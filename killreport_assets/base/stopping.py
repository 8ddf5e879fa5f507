"""Ending a program by Ctrl-C or SIGTERM. Programs that keep children of their own end them where they start them."""

import signal
from types import FrameType


class Stopped(BaseException):
    """Ctrl-C or SIGTERM: no error, so that no `except Exception` goes on; `with` and `finally` clean up."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.exit_code = 128 + signal_number


def stop_on_signals() -> None:
    """Raise `Stopped` in the main thread on Ctrl-C and SIGTERM, also where a shell made the process ignore Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)

"""The exit codes of `killreport`: one for each kind of end. Which error has which code is in failures.py."""

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; docs/operating.md has the same table."""

    done = 0
    unhealthy = 1
    wrong = 2
    server = 3
    service = 4
    interrupted = 130
    terminated = 143


MEANINGS = {
    ExitCode.done: "done",
    ExitCode.unhealthy: "not healthy, or something was left behind",
    ExitCode.wrong: "a wrong option, setting or name",
    ExitCode.server: "PostgreSQL or the broker cannot be reached, or refuses to work",
    ExitCode.service: "a service failed",
    ExitCode.interrupted: "stopped by Ctrl-C",
    ExitCode.terminated: "stopped by SIGTERM",
}
SUMMARY = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."

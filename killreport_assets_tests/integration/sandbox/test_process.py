"""The sandbox in a process of its own: it ends with its parent, and a port that is taken is refused."""

import socket
import subprocess
import sys

import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.base.network import is_port_free
from killreport_assets.sandbox.process import SandboxProcess
from killreport_assets_testing.waiting import running, wait_until

PARENT = "from killreport_assets.sandbox.process import SandboxProcess as S; print(S().port, flush=True); input()"


def test_it_ends_with_a_parent_that_is_killed() -> None:
    command = [sys.executable, "-c", PARENT]
    with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        assert not is_port_free(port)
        parent.kill()
    wait_until(lambda: is_port_free(port))


def test_a_port_that_is_taken_is_refused_although_nothing_answers_on_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UserError, match="KILLREPORT_SANDBOX_PORT"):
            SandboxProcess(taken.getsockname()[1])

"""supervisord keeps three workers of one queue running, as PM2 did."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from killreport_assets.base.files import PACKAGE
from killreport_assets.queues.catalogue import ALLIANCES
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import running, wait_until

BIN = Path(sys.executable).parent
CONFIGURATION = PACKAGE.parent / "deploy" / "supervisord.conf"


def test_three_workers_are_started_again_after_kill_9(platform: Platform, tmp_path: Path) -> None:
    if not (BIN / "supervisord").exists():
        pytest.skip("supervisor is not installed: make test-deploy")
    text = CONFIGURATION.read_text()
    kept = [text[: text.index("[program:code-platform]")], text[text.index("[program:alliances]") :]]
    file = tmp_path / "supervisord.conf"
    file.write_text("".join(kept))
    environment = os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"}
    command = [str(BIN / "supervisord"), "--configuration", str(file)]
    with running(command, env=environment, stdout=subprocess.DEVNULL) as process:
        parent = psutil.Process(process.pid)

        def workers() -> list[int]:
            return sorted(child.pid for child in parent.children() if child.status() != psutil.STATUS_ZOMBIE)

        wait_until(lambda: len(workers()) == 3)
        for killed in workers():
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: len(workers()) == 3 and killed not in workers())  # type: ignore[misc]
        platform.produce("alliances")
        wait_until(lambda: platform.scalar(f"select count(*) from pgmq.q_{ALLIANCES.name}") == 0)
        process.send_signal(signal.SIGTERM)
        assert process.wait(180) == 0

"""`killreport web serve` in processes of its own: one of two is killed, the port is taken, SIGTERM ends all of it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import requests

from killreport_assets.base.network import free_port
from killreport_assets.database.engine import libpq_url
from killreport_assets.provision.readers import WEB_READER, allow_reading
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until

KILLREPORT = Path(sys.executable).parent / "killreport"


@pytest.fixture
def environment(platform: Platform) -> dict[str, str]:
    """The settings of the test, for another process."""
    allow_reading(platform.settings, platform.engine)
    reader = libpq_url(platform.engine.url.set(username=WEB_READER.name))
    return dict(os.environ) | {"KILLREPORT_WEB_READER_URL": reader, "KILLREPORT_API_REQUESTS_ANONYMOUS": "100000"}


@contextmanager
def _serving(environment: dict[str, str], port: int, *options: str) -> Iterator[psutil.Process]:
    command = [str(KILLREPORT), "web", "serve", "--port", str(port), *options]
    process = psutil.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_until(lambda: process.poll() is not None or _answers(port))
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/graphql", timeout=30).ok
    except requests.RequestException:
        return False


def _workers(process: psutil.Process) -> list[int]:
    """The processes that answer; multiprocessing has a helper of its own."""
    workers = []
    for child in process.children():
        with suppress(psutil.NoSuchProcess):  # a zombie too
            if "resource_tracker" not in " ".join(child.cmdline()):
                workers.append(child.pid)
    return sorted(workers)


def test_a_killed_worker_is_replaced_and_the_site_goes_on(environment: dict[str, str]) -> None:
    port = free_port()
    with _serving(environment, port, "--workers", "2") as process:
        wait_until(lambda: len(_workers(process)) == 2)
        killed = _workers(process)[0]
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: killed not in _workers(process) and len(_workers(process)) == 2)
        wait_until(lambda: all(_answers(port) for _ in range(20)))
        started = _workers(process)
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        assert [pid for pid in started if psutil.pid_exists(pid)] == []


def test_sigterm_ends_it_although_a_reader_listens(environment: dict[str, str]) -> None:
    port = free_port()
    with _serving(environment, port) as process:
        listening = requests.get(f"http://127.0.0.1:{port}/feed", stream=True, timeout=60)
        assert listening.ok
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        listening.close()


def test_a_taken_port_and_an_open_address_without_a_url_are_one_line(environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, said in (
            (("--port", str(taken.getsockname()[1])), "choose another with --port or KILLREPORT_AUTH_PORT"),
            (("--host", "0.0.0.0"), "set the address for browsers: KILLREPORT_AUTH_URL"),
        ):
            command = [str(KILLREPORT), "web", "serve", *arguments]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)
            assert (ended.returncode != 0, ended.stderr.count("\n")) == (True, 1)
            assert said in ended.stderr

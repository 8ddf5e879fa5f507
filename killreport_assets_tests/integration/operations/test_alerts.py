"""Alerts through Apprise to a real HTTP server, about a real database that goes away."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from killreport_assets.operations.alerts import Addresses, watch
from killreport_assets.settings import load_settings
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.waiting import wait_until


class _Receiver(BaseHTTPRequestHandler):
    """Keeps what is posted to it."""

    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Alerts that came to a webhook."""
    came: list[dict[str, Any]] = []
    handler = type("Receiver", (_Receiver,), {"received": came})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("KILLREPORT_ALERT_URLS", f"json://user:hunter2@127.0.0.1:{server.server_port}/")
        yield came
        server.shutdown()


def test_a_test_message_arrives(platform: Platform, received: list[dict[str, Any]], command: Command) -> None:
    answer = command("alerts", "test")
    assert (answer.code, [message["title"] for message in received]) == (0, ["KillReport: a test"])


def test_a_wrong_address_is_named_by_its_number_alone(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ALERT_URLS", "json://127.0.0.1/ nonsense://hunter2@host")
    answer = command("alerts", "test")
    assert (answer.code, answer.is_one_line) == (2, True)
    assert "address 2" in answer.stderr
    assert "hunter2" not in answer.stderr
    monkeypatch.delenv("KILLREPORT_ALERT_URLS")
    assert "KILLREPORT_ALERT_URLS is not set" in command("alerts", "test").stderr


def test_an_address_that_does_not_answer_is_no_success(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ALERT_URLS", "json://me:hunter2@127.0.0.1:9/")
    answer = command("alerts", "test")
    assert (answer.code, "hunter2" in answer.stdout + answer.stderr) == (4, False)


def test_a_dead_letter_begins_a_problem_and_its_replay_ends_it(
    platform: Platform, received: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("killreport_assets.operations.alerts.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("killreport_assets.operations.alerts.BEGINS_AFTER", timedelta(seconds=0.3))
    monkeypatch.setattr("killreport_assets.operations.alerts.ENDS_AFTER", timedelta(seconds=0.3))
    is_over = threading.Event()
    watching = threading.Thread(target=watch, args=[load_settings(), is_over.is_set])
    watching.start()
    try:
        platform.execute(
            "insert into ops.dead_letters (fingerprint, queue, body, reason, error, attempts, first_failed_at) "
            "values ('f', 'esi_type_info_queue', '{}', 'refused', 'no', 1, now())"
        )
        wait_until(lambda: any("1 dead letters" in message["message"] for message in received))
        platform.execute("update ops.dead_letters set replayed_at = now()")
        wait_until(lambda: any("ended" in message["title"] for message in received))
    finally:
        is_over.set()
        watching.join()
    begun = [message for message in received if "begun" in message["title"] and "dead" in message["message"]]
    assert len(begun) == 1


def test_one_address_that_does_not_answer_keeps_nothing_from_the_others(
    received: list[dict[str, Any]], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KILLREPORT_ALERT_URLS", f"json://127.0.0.1:9/ {os.environ['KILLREPORT_ALERT_URLS']}")
    answer = command("alerts", "test")
    assert (answer.code, "check number 1" in answer.stdout, len(received)) == (4, True, 1)
    assert Addresses(load_settings()).send("begun", "once")
    assert len(received) == 2


def test_no_address_is_said(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ALERT_URLS", " ")
    answer = command("alerts", "watch")
    assert (answer.code, "KILLREPORT_ALERT_URLS is not set" in answer.stderr) == (2, True)

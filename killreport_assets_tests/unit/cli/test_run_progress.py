"""The line under the steps of `killreport run`: counts, what is left of a known total, and the rate."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from rich.console import Console

from killreport_assets.cli import run_progress
from killreport_assets.cli.run_progress import DBT, RunProgress


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(run_progress, "time", clock)
    return clock


def _progress(waiting: Callable[[], int], built: Callable[[], tuple[int, int]]) -> RunProgress:
    status = Console(quiet=True).status("starting")
    return RunProgress(status, sa.create_engine("postgresql+psycopg://"), waiting, built)


def test_dbt_says_how_many_of_its_tables_are_built_and_for_how_long_it_goes_on(clock: Clock) -> None:
    counts = iter([(0, 90), (30, 90), (90, 90)])
    progress = _progress(lambda: 0, lambda: next(counts))
    progress.start(DBT)
    assert progress.line() == "dbt: 0 of 90 tables built, 0 s"
    clock.now += 15
    assert progress.line() == "dbt: 30 of 90 tables built, 2.0/s, about 30 s left, 15 s"
    clock.now += 30
    assert progress.line() == "dbt: 90 of 90 tables built, 2.0/s, 45 s"


def test_a_queue_says_how_many_messages_wait_and_a_new_step_begins_anew(clock: Clock) -> None:
    waiting = iter([100, 40, 40])
    progress = _progress(lambda: next(waiting), lambda: (0, 0))
    progress.start("esi_type_info_queue")
    progress.line()
    clock.now += 10
    assert progress.line() == "esi_type_info_queue: 40 messages wait, 6.0/s, about 7 s left, 10 s"
    progress.start("esi_character_info_queue")
    assert progress.line() == "esi_character_info_queue: 40 messages wait, 0 s"

"""Asking bulk routes by halving, and distinguishing an outage from a failing request."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.esi.bulk import MAX_REFUSALS, ask_in_bulk
from killreport_assets.esi.outage import FAILURES_IN_A_ROW, Outage
from killreport_assets.http.errors import Gone, Throttled, Unavailable
from killreport_assets.settings import DailyWindow


@given(st.lists(st.integers(1, 10**6), unique=True, max_size=2_500), st.data())
def test_every_id_is_answered_refused_or_left(ids: list[int], data: st.DataObject) -> None:
    bad = set(data.draw(st.lists(st.sampled_from(ids), max_size=4))) if ids else set()
    calls = 0

    def ask(batch: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        assert 1 <= len(batch) <= 1_000
        if bad & set(batch):
            raise Gone("Ensure all IDs are valid before resolving.", 404)
        return list(batch)

    answer = ask_in_bulk(ask, ids)
    assert sorted(answer.elements + answer.refused + answer.left) == sorted(ids)
    assert set(answer.refused) <= bad
    assert not answer.left or calls >= MAX_REFUSALS
    assert not bad & set(answer.elements)


def test_a_service_that_fails_is_not_asked_in_halves() -> None:
    calls = []

    def ask(batch: Sequence[int]) -> list[int]:
        calls.append(batch)
        raise Unavailable("503")

    answer = ask_in_bulk(ask, range(1, 2_001))
    assert len(calls) == 1
    assert (sorted(answer.left), answer.stopped_by) == (list(range(1, 2_001)), "503")


def test_what_was_learnt_before_a_failure_is_kept() -> None:
    def ask(batch: Sequence[int]) -> list[int]:
        if 7 in batch:
            raise Throttled("the error limit", datetime.now(UTC))
        return list(batch)

    answer = ask_in_bulk(ask, range(1, 2_001))
    assert sorted(answer.elements) == list(range(1_001, 2_001))
    assert sorted(answer.left) == list(range(1, 1_001))


class Service:
    """A service that is up or down, and remembers for how long it was paused."""

    def __init__(self) -> None:
        self.is_up, self.probes, self.pauses = True, 0, list[tuple[float, str]]()

    def probe(self) -> bool:
        """Whether it is up."""
        self.probes += 1
        return self.is_up

    def pause(self, seconds: float, reason: str) -> datetime:
        """Note the pause."""
        self.pauses.append((seconds, reason))
        return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_request_that_fails_while_the_service_is_up_fails_alone() -> None:
    service = Service()
    outage = Outage(None, 60.0, service.probe, service.pause)
    for _ in range(1 + FAILURES_IN_A_ROW * 3):
        outage.failed()
    assert service.pauses == []
    assert service.probes == 4  # the first failure of a process, then each tenth in a row


def test_a_service_that_is_down_pauses_all_until_it_is_back() -> None:
    service = Service()
    service.is_up = False
    outage = Outage(None, 0.05, service.probe, service.pause)
    for _ in range(5):
        with pytest.raises(Throttled, match="does not answer"):
            outage.failed()
    assert service.pauses == [(0.05, "ESI does not answer")]
    assert service.probes == 1
    service.is_up = True
    outage.answered()


def test_failures_in_the_daily_downtime_wait_for_its_end() -> None:
    service = Service()
    outage = Outage(DailyWindow(time(0, 0), time(23, 59, 59, 999_999)), 60.0, service.probe, service.pause)
    with pytest.raises(Throttled, match="daily downtime"):
        outage.failed()
    assert service.probes == 0


def test_the_window_says_how_long_it_lasts() -> None:
    window = DailyWindow(time(11, 0), time(11, 15))
    assert window.seconds_left(time(10, 59, 59)) == 0
    assert window.seconds_left(time(11, 0)) == 900
    assert window.seconds_left(time(11, 14, 30)) == 30
    assert window.seconds_left(time(11, 15)) == 0

"""When a list is due again: never before ESI has something new, spread over the interval, rarer for the inactive."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.users.due_times import SHORTEST, idle_time, next_due, retry_due, stretched

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


@pytest.mark.parametrize(
    ("idle", "expected"),
    [
        (timedelta(days=6, hours=23), QUARTER),
        (timedelta(days=7), timedelta(hours=1)),
        (timedelta(days=29), timedelta(hours=1)),
        (timedelta(days=30), timedelta(hours=4)),
        (timedelta(days=90), timedelta(days=1)),
        (timedelta(days=364), timedelta(days=1)),
        (timedelta(days=365), timedelta(days=3)),
    ],
)
def test_the_interval_is_stretched_by_the_time_since_the_last_killmail(idle: timedelta, expected: timedelta) -> None:
    assert stretched(QUARTER, idle) == expected
    assert stretched(timedelta(days=10), idle) == timedelta(days=10)  # never shortened


def test_who_never_had_a_killmail_counts_as_idle_for_what_esi_keeps() -> None:
    assert idle_time(NOW, None, is_empty=True, known_since=NOW) == timedelta(days=90)
    assert idle_time(NOW, None, is_empty=False, known_since=NOW) == timedelta()  # new, and not stored yet
    assert idle_time(NOW, NOW - timedelta(days=3), is_empty=False, known_since=NOW) == timedelta(days=3)


@given(
    seconds=st.integers(300, 300_000),
    cached=st.integers(0, 3_600),
    subject=st.integers(1, 2**40),
    seed=st.integers(0, 1_000),
    offset=st.integers(0, 10_000_000),
)
def test_due_times_are_about_an_interval_away_and_never_before_the_cache_ends(
    seconds: int, cached: int, subject: int, seed: int, offset: int
) -> None:
    now, interval = NOW + timedelta(seconds=offset), timedelta(seconds=seconds)
    fresh_until = now + timedelta(seconds=cached)
    due = next_due(now, interval, f"user_killmails:{subject}", fresh_until, random.Random(seed))
    assert due >= fresh_until
    assert due <= max(now + interval * 1.56, fresh_until)
    assert due >= now + interval * 0.44 or due == fresh_until


def test_lists_that_were_due_together_are_spread_over_the_interval_and_stay_so() -> None:
    rng = random.Random(1)
    due = {n: next_due(NOW, QUARTER, f"user_killmails:{n}", None, rng) for n in range(3_000)}
    for _ in range(20):
        minutes = Counter(int((moment - NOW).total_seconds() // 60) for moment in due.values())
        assert len(minutes) >= 15
        assert max(minutes.values()) < 3 * 3_000 / 15 / 1.5
        # Each is read a little late, as the schedule and the queue have it.
        due = {
            n: next_due(moment + timedelta(seconds=rng.uniform(0, 300)), QUARTER, f"user_killmails:{n}", None, rng)
            - QUARTER
            for n, moment in due.items()
        }


@given(st.integers(0, 100), st.integers(300, 300_000))
def test_failures_are_tried_again_later_each_time_and_within_the_interval(failures: int, seconds: int) -> None:
    interval = timedelta(seconds=seconds)
    wait = retry_due(NOW, interval, failures) - NOW
    assert SHORTEST <= wait <= max(interval, SHORTEST)
    assert retry_due(NOW, interval, failures + 1) - NOW >= wait

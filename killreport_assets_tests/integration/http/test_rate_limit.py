"""The shared budget on a real PostgreSQL: paces and buckets that hold between processes."""

import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.http.errors import Throttled
from killreport_assets.http.pauses import longest_pause
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.token_bucket import TokenBucket
from killreport_assets_testing.simulation import Simulation
from killreport_assets_testing.waiting import wait_until

SMALL = TokenBucket("small", 50, timedelta(seconds=3))


def _most_in_a_second(times: list[float]) -> int:
    times = sorted(times)
    return max(sum(1 for other in times if time_ <= other < time_ + 1.0) for time_ in times)


def _ask(budget: RequestBudget, seconds: float, times: list[float], bucket: TokenBucket | None = None) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        permit = budget.acquire(bucket)
        times.append(time.time())
        budget.settle(permit, 200)


def test_threads_of_one_process_keep_the_pace(engine: Engine) -> None:
    budget, times = RequestBudget(engine, "esi", 50), list[float]()
    threads = [threading.Thread(target=_ask, args=(budget, 3.0, times)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 10 < _most_in_a_second(times) <= 50


def test_processes_keep_the_pace_together(engine: Engine) -> None:
    code = """
import sys, time
from sqlalchemy.engine import make_url
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.database.engine import make_engine
budget = RequestBudget(make_engine(make_url(sys.argv[1])), "esi", 50)
end = time.time() + 3
while time.time() < end:
    budget.acquire()
    print(time.time())
"""
    url = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", code, url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    times = [float(line) for process in processes for line in process.communicate()[0].split()]
    assert {process.returncode for process in processes} == {0}
    assert 0 < _most_in_a_second(times) <= 50


def test_services_have_paces_of_their_own(engine: Engine) -> None:
    simulation = Simulation(engine, 1)
    slow = RequestBudget(engine, "zkillboard", 1, clock=simulation.clock)
    quick = RequestBudget(engine, "esi", 500, clock=simulation.clock)
    times = list[float]()

    def ask() -> None:
        for budget in (slow, quick, slow):
            budget.acquire()
            times.append(simulation.now)

    simulation.start(ask)
    simulation.run(5.0)
    first, between, second = times
    assert between - first < 0.1
    assert second - first >= 0.9


def test_a_bucket_never_gives_more_than_its_tokens_in_its_window(engine: Engine) -> None:
    one, two = (RequestBudget(engine, "esi", 500) for _ in range(2))
    granted = 0
    with pytest.raises(Throttled) as error:
        for budget in [one, two] * 100:
            budget.settle(budget.acquire(SMALL), 404)
            budget.flush()
            granted += 1
    assert granted <= SMALL.max_tokens // SMALL.max_cost
    assert "group small" in str(error.value)
    wait = (error.value.until - datetime.now(UTC)).total_seconds()
    assert 0 < wait <= 5
    time.sleep(wait + 0.1)
    one.acquire(SMALL)


def test_tokens_that_an_answer_did_not_cost_are_given_back(engine: Engine) -> None:
    budget = RequestBudget(engine, "esi", 500)
    granted = 0
    with pytest.raises(Throttled):
        for _ in range(100):
            budget.settle(budget.acquire(SMALL), 200)
            granted += 1
    assert granted > SMALL.max_tokens // SMALL.max_cost
    assert granted <= SMALL.max_tokens // 2


def test_a_bucket_that_is_spent_leaves_other_routes_alone(engine: Engine) -> None:
    budget = RequestBudget(engine, "esi", 500)
    with pytest.raises(Throttled):
        for _ in range(100):
            budget.settle(budget.acquire(SMALL), 404)
    budget.acquire()


def test_a_pause_holds_for_all_processes_and_ends(engine: Engine) -> None:
    mine, others = (RequestBudget(engine, "esi", 500) for _ in range(2))
    mine.acquire()
    others.acquire()
    until = mine.pause(1.5, "ESI's error limit is reached")
    for budget in (mine, others):
        time.sleep(0.06)  # what the other had reserved before has passed
        with pytest.raises(Throttled, match="error limit") as error:
            budget.acquire()
        assert abs((error.value.until - until).total_seconds()) < 0.1
    with engine.connect() as connection:
        wait_until(lambda: longest_pause(connection, ["esi"]) is None)
    others.acquire()


def test_a_shorter_pause_does_not_end_a_longer_one(engine: Engine) -> None:
    budget = RequestBudget(engine, "esi", 500)
    until = budget.pause(30, "long")
    assert budget.pause(1, "short") == until


def test_a_paused_bucket_leaves_the_service_alone(engine: Engine) -> None:
    budget = RequestBudget(engine, "esi", 500)
    budget.pause(30, "ESI throttles group small", SMALL)
    budget.acquire()
    with pytest.raises(Throttled, match="group small"):
        budget.acquire(SMALL)


def test_totals_are_kept_by_day(engine: Engine) -> None:
    budget = RequestBudget(engine, "esi", 500)
    budget.settle(budget.acquire(), 500)
    budget.settle(budget.acquire(SMALL), 200)
    budget.flush()
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("select bucket, requests, tokens, errors from ops.request_totals order by bucket")
        ).all()
        booked = connection.execute(sa.text("select sum(tokens) from ops.request_tokens")).scalar()
    assert [tuple(row) for row in rows] == [("", 1, 0, 1), ("small", 1, 2, 0)]
    assert booked == 2


def test_many_who_ask_a_slow_service_take_turns(engine: Engine) -> None:
    times: list[float] = []

    def ask() -> None:
        budget = RequestBudget(engine, "zkillboard", 2)
        for _ in range(2):
            budget.acquire()
            times.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == 10
    assert _most_in_a_second(times) <= 2
    assert max(times) - min(times) < 10  # nothing was booked for nothing


def test_a_wait_longer_than_the_timeout_is_refused_and_books_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.request_pace (service, next_at) values ('zkillboard', now() + interval '25 seconds')"
            )
        )
    before = _next_at(engine)
    for _ in range(3):
        with pytest.raises(Throttled, match="too many requests are waiting"):
            RequestBudget(engine, "zkillboard", 1).acquire()
    assert _next_at(engine) == before


def _next_at(engine: Engine) -> object:
    with engine.connect() as connection:
        return connection.execute(sa.text("select next_at from ops.request_pace")).scalar()

"""The budget in simulated time: for any interleaving of processes nothing is exceeded, and nearly all of it is used."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from killreport_assets.esi.routes import ERROR_LIMIT
from killreport_assets.http.errors import Throttled
from killreport_assets.http.ledger import UNANSWERED_SECONDS
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.token_bucket import TokenBucket
from killreport_assets_testing.simulation import Simulation, World

FIVE_MINUTES = TokenBucket("killmail", 1_200, timedelta(minutes=5))
"""The killmail group's rate, with a window that is over sooner."""
PROPERTY = settings(
    max_examples=8,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

LONG_PROPERTY = settings(PROPERTY, max_examples=4)
"""For what simulates so many requests that an example takes a second and more."""


def _fresh(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("truncate ops.request_pace, ops.request_tokens, ops.request_totals"))


@PROPERTY
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 6), min_size=1, max_size=4),
    st.sampled_from([5, 23, 50]),
    st.sampled_from([0.0, 0.004, 0.05]),
    st.none() | st.floats(0.3, 3.0),
)
def test_no_second_has_more_requests_than_allowed(
    engine: Engine, seed: int, processes: list[int], max_rps: int, lateness: float, lives: float | None
) -> None:
    _fresh(engine)
    world = World(Simulation(engine, seed, lateness), engine, max_rps, latency=0.03)
    for threads in processes:
        world.process(threads, lives=lives)
    world.simulation.run(6.0)
    assert world.server.most_in(1.0) <= max_rps
    assert len(world.server.arrivals) > 0


@LONG_PROPERTY
@given(st.integers(0, 10**6), st.lists(st.integers(4, 8), min_size=1, max_size=4), st.sampled_from([20, 50]))
def test_under_a_backlog_the_pace_is_used(engine: Engine, seed: int, processes: list[int], max_rps: int) -> None:
    _fresh(engine)
    world = World(Simulation(engine, seed), engine, max_rps, latency=0.05)
    for threads in processes:
        world.process(threads)
    world.simulation.run(12.0)
    used = sum(1 for at in world.server.arrivals if 1.0 <= at < 11.0)
    assert used >= 0.98 * 10 * max_rps - 1  # a slot may lie on either side of the measured time


@PROPERTY
@given(
    st.integers(0, 10**6),
    st.integers(1, 4),
    st.sampled_from([[200], [200, 304], [200, 404], [404], [500, 200]]),
    st.sampled_from([0.01, 1.5]),
    st.none() | st.floats(2.0, 20.0),
)
def test_no_window_has_more_tokens_than_allowed(
    engine: Engine, seed: int, processes: int, statuses: list[int], latency: float, lives: float | None
) -> None:
    _fresh(engine)
    bucket = TokenBucket("small", 40, timedelta(seconds=30))
    simulation = Simulation(engine, seed)
    world = World(simulation, engine, 5, bucket, lambda: simulation.rng.choice(statuses), latency)
    for _ in range(processes):
        world.process(3, lives=lives)
    simulation.run(50.0)
    assert world.server.most_charged_in(30.0) <= bucket.max_tokens
    assert world.server.charged_between(0, 50.0) > 0


@pytest.mark.parametrize("processes", [1, 4])
def test_under_a_backlog_the_tokens_are_used(engine: Engine, processes: int) -> None:
    window = FIVE_MINUTES.window.total_seconds()
    world = World(Simulation(engine, 5), engine, 50, FIVE_MINUTES, latency=0.1)
    for _ in range(processes):
        world.process(5)
    world.simulation.run(3 * window)
    assert world.server.most_charged_in(window) <= FIVE_MINUTES.max_tokens
    used = world.server.charged_between(0, 3 * window)
    assert used >= 0.98 * 3 * FIVE_MINUTES.max_tokens


def test_what_a_killed_process_had_reserved_is_freed(engine: Engine) -> None:
    simulation = Simulation(engine, 1)
    bucket = TokenBucket("small", 120, timedelta(minutes=15))
    granted: list[float] = []

    def ask() -> None:
        for _ in range(10):  # each has a block reserved and one request on its way when it is killed
            RequestBudget(engine, "esi", 50, clock=simulation.clock).acquire(bucket)
        after = RequestBudget(engine, "esi", 50, clock=simulation.clock)
        with pytest.raises(Throttled):
            while True:
                after.settle(after.acquire(bucket), 200)
        simulation.sleep(UNANSWERED_SECONDS + 2)
        with pytest.raises(Throttled, match="group small"):
            while True:
                after.settle(after.acquire(bucket), 200)
                granted.append(simulation.now)

    simulation.start(ask)
    simulation.run(900.0)
    assert len(granted) >= 25  # no thread waited for the window to pass
    with engine.connect() as connection:
        booked = connection.execute(sa.text("select sum(tokens) from ops.request_tokens")).scalar_one()
    assert booked <= bucket.max_tokens


@LONG_PROPERTY
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([[404], [404, 200], [500, 200, 200]]))
def test_the_error_limit_keeps_its_headroom(engine: Engine, seed: int, processes: int, statuses: list[int]) -> None:
    _fresh(engine)
    simulation = Simulation(engine, seed)
    world = World(simulation, engine, 50, ERROR_LIMIT, lambda: simulation.rng.choice(statuses), latency=0.3)
    for _ in range(processes):
        world.process(10)
    simulation.run(70.0)
    assert world.server.most_charged_in(60.0) <= 80


def test_a_server_that_reports_fewer_tokens_is_reconciled(engine: Engine) -> None:
    simulation = Simulation(engine, 1)
    bucket = TokenBucket("small", 240, timedelta(minutes=3))
    mine, others = (RequestBudget(engine, "esi", 20, clock=simulation.clock) for _ in range(2))
    granted: list[float] = []

    def ask() -> None:
        mine.settle(mine.acquire(bucket), 200, remaining=10)  # 228 were spent by another program on this address
        mine.flush()
        with pytest.raises(Throttled, match="group small") as refused:
            while True:
                others.settle(others.acquire(bucket), 200)
                granted.append(simulation.now)
        simulation.sleep_until(refused.value.until.timestamp())
        others.acquire(bucket)
        granted.append(simulation.now)

    simulation.start(ask)
    simulation.run(600.0)
    assert 1 <= len(granted) - 1 <= 5
    assert granted[-1] >= 180.0


def test_a_server_that_reports_what_is_known_changes_nothing(engine: Engine) -> None:
    simulation = Simulation(engine, 1)
    bucket = TokenBucket("small", 240, timedelta(minutes=3))
    budget = RequestBudget(engine, "esi", 20, clock=simulation.clock)
    used: list[float] = []

    def ask() -> None:
        while True:
            try:
                permit = budget.acquire(bucket)
            except Throttled as throttled:
                simulation.sleep_until(throttled.until.timestamp())
                continue
            simulation.sleep(0.05)
            used.append(simulation.now)
            spent = 2 * sum(1 for at in used if at > simulation.now - 180.0)
            budget.settle(permit, 200, remaining=bucket.max_tokens - spent)

    simulation.start(ask)
    simulation.run(900.0)
    assert 2 * len(used) >= 0.96 * 5 * bucket.max_tokens

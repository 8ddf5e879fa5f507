"""PostgreSQL's wall clock jumps while requests are sent: none is sent too early, and none waits for the clock."""

from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine

from killreport_assets.http.errors import Throttled
from killreport_assets.http.rate_limit import RequestBudget
from killreport_assets.http.token_bucket import TokenBucket
from killreport_assets_testing.simulation import Simulation, World

HOUR, DAY = 3_600.0, 86_400.0
JUMPS = pytest.mark.parametrize("jump", [-HOUR, -DAY, DAY], ids=["an hour back", "a day back", "a day forward"])
MAX_RPS = 20
JUMPS_AT = 30.0
MINUTE = TokenBucket("small", 60, timedelta(minutes=1))


@JUMPS
def test_the_rate_limit_holds_and_is_used(engine: Engine, jump: float) -> None:
    world = World(Simulation(engine, 1, 0.004), engine, MAX_RPS, latency=0.03)
    for threads in (3, 2, 4):
        world.process(threads)
    world.simulation.start(lambda: world.simulation.jump_at(3.0, jump))
    world.simulation.run(14.0)
    assert world.server.most_in(1.0) <= MAX_RPS
    assert sum(1 for at in world.server.arrivals if at >= 10.0) >= 0.9 * 4.0 * MAX_RPS


@pytest.mark.parametrize("jump", [-HOUR, -DAY], ids=["an hour back", "a day back"])
def test_a_bucket_that_was_spent_before_is_full_again_after_its_window(engine: Engine, jump: float) -> None:
    world = World(Simulation(engine, 1), engine, MAX_RPS, MINUTE)
    world.process(3)
    world.simulation.start(lambda: world.simulation.jump_at(30.0, jump))
    world.simulation.run(300.0)
    assert world.server.most_charged_in(60.0) <= MINUTE.max_tokens
    assert world.server.charged_between(200.0, 300.0) > MINUTE.max_tokens - MINUTE.max_cost


@pytest.mark.parametrize("jump", [50.0, -50.0, 70.0, HOUR, DAY, -DAY], ids=lambda jump: f"{jump:+.0f} s")
@pytest.mark.parametrize("survivors", [2, 0], ids=["beside others", "after all others"])
def test_no_bucket_is_overspent_by_those_who_were_there_or_come_later(
    engine: Engine, jump: float, survivors: int
) -> None:
    world = World(Simulation(engine, 1), engine, MAX_RPS, MINUTE)
    for _ in range(survivors):
        world.process(2)
    if not survivors:
        world.process(3, dies=JUMPS_AT)

    def jump_and_begin() -> None:
        world.simulation.jump_at(JUMPS_AT, jump)
        world.process(3)

    world.simulation.start(jump_and_begin)
    world.simulation.run(300.0)
    assert world.server.charged_between(0.0, JUMPS_AT) > MINUTE.max_tokens - MINUTE.max_cost
    assert world.server.most_charged_in(60.0) <= MINUTE.max_tokens
    assert world.server.charged_between(200.0, 300.0) > MINUTE.max_tokens - MINUTE.max_cost


@JUMPS
def test_a_pause_does_not_wait_for_the_clock(engine: Engine, jump: float) -> None:
    simulation, ended = Simulation(engine, 1), list[float]()
    budget = RequestBudget(engine, "esi", MAX_RPS, clock=simulation.clock)

    def ask() -> None:
        budget.pause(120.0, "asked to wait")
        simulation.jump_at(10.0, jump)
        while not ended:
            try:
                budget.acquire()
                ended.append(simulation.now)
            except Throttled:
                simulation.sleep(5.0)

    simulation.start(ask)
    simulation.run(400.0)
    assert ended
    assert 120.0 <= ended[0] <= 130.0

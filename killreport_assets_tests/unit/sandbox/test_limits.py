"""How the sandbox counts requests in a second: what it noticed late is not held against its callers."""

from killreport_assets.sandbox.limits import TICK_SECONDS, Statistics


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """The time."""
        return self.now


def _statistics(clock: Clock) -> Statistics:
    return Statistics(clock=clock.monotonic)


def _run(clock: Clock, statistics: Statistics, seconds: float, every: float | None = None) -> None:
    """Let time pass in ticks; with `every`, requests at that distance."""
    next_request = clock.now
    end = clock.now + seconds
    while clock.now < end:
        clock.now += TICK_SECONDS
        statistics.tick()
        while every is not None and next_request <= clock.now:
            statistics.arrived("esi")
            next_request += every


def test_requests_are_counted_in_any_second() -> None:
    clock = Clock()
    statistics = _statistics(clock)
    _run(clock, statistics, 3.0, every=0.02)
    assert 49 <= statistics.most_in_a_second["esi"] <= 51
    for _ in range(30):
        statistics.arrived("esi")
    assert statistics.most_in_a_second["esi"] >= 79


def test_what_waited_for_a_stalled_sandbox_is_not_counted_as_a_burst() -> None:
    clock = Clock()
    statistics = _statistics(clock)
    _run(clock, statistics, 2.0, every=0.0204)
    before = statistics.most_in_a_second["esi"]
    clock.now += 0.2  # stalled; ten requests wait, and more come as before
    for _ in range(10):
        statistics.arrived("esi")
    statistics.tick()
    _run(clock, statistics, 0.98, every=0.0204)
    assert statistics.most_in_a_second["esi"] == before

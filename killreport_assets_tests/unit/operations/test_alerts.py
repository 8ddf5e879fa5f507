"""Alerts: what is said, once, when it begins and when it ends."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from killreport_assets.operations.alerts import Alerts

START = datetime(2026, 1, 1, tzinfo=UTC)
PAUSE = timedelta(minutes=15)
DOWN = "PostgreSQL is down (embedded); `killreport up` starts it"


@dataclass
class Post:
    """What was sent; it may refuse."""

    is_open: bool = True
    sent: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, title: str, text: str) -> bool:
        if self.is_open:
            self.sent.append((title, text))
        return self.is_open


@dataclass
class Watch:
    """Looks by a clock of its own."""

    file: Path
    post: Post = field(default_factory=Post)
    now: datetime = START

    def look(self, *problems: str, after: float = 15) -> int:
        """Look so many seconds later, as a process that was just started; how many messages there are by now."""
        self.now += timedelta(seconds=after)
        Alerts(self.file, PAUSE).look(problems, self.now, self.post)
        return len(self.post.sent)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A watch that has seen nothing."""
    return Watch(tmp_path / "alerts.json")


def test_a_problem_is_said_within_a_minute_once_and_its_end_too(watch: Watch) -> None:
    assert watch.look(DOWN) == 0
    assert watch.look(DOWN) == 1
    assert watch.now - START < timedelta(minutes=1)
    assert watch.post.sent[0] == ("KillReport: problems, 1 begun", f"begun 2026-01-01 00:00:15 UTC: {DOWN}")
    assert [watch.look(DOWN) for _ in range(100)] == [1] * 100
    assert [watch.look() for _ in range(3)] == [1, 1, 1]
    assert watch.look() == 2
    assert watch.post.sent[1][0] == "KillReport: problems, 1 ended"
    assert [watch.look() for _ in range(100)] == [2] * 100


def test_what_a_second_look_does_not_find_is_no_problem(watch: Watch) -> None:
    for _ in range(20):
        watch.look(DOWN)
        watch.look(after=61)
    assert watch.post.sent == []


def test_the_same_problem_with_other_numbers_is_the_same(watch: Watch) -> None:
    for count in range(50):
        watch.look(f"feed r2z2 is {1_000 + count:,} entries behind")
    assert len(watch.post.sent) == 1


def test_a_problem_that_comes_and_goes_is_said_again_after_the_pause_only(watch: Watch) -> None:
    begun = 0
    for _ in range(60):  # two hours
        watch.look(DOWN, after=30)
        watch.look(DOWN, after=15)
        watch.look(after=30)
        watch.look(after=45)
    begun = sum("begun" in title for title, _ in watch.post.sent)
    assert 7 <= begun <= 8


def test_several_problems_are_one_message(watch: Watch) -> None:
    watch.look(DOWN, "3 dead letters")
    watch.look(DOWN, "4 dead letters")
    assert [title for title, _ in watch.post.sent] == ["KillReport: problems, 2 begun"]


def test_what_cannot_be_sent_is_sent_at_the_next_look(watch: Watch) -> None:
    watch.post.is_open = False
    assert [watch.look(DOWN) for _ in range(5)] == [0] * 5
    watch.post.is_open = True
    assert watch.look(DOWN) == 1


def test_no_secret_and_no_control_character_is_in_a_message(watch: Watch) -> None:
    problem = "cannot reach postgresql://me:hunter2@db/killreport\x1b[2J"
    watch.look(problem)
    watch.look(problem)
    [(_, text)] = watch.post.sent
    assert "hunter2" not in text
    assert "\x1b" not in text


def test_a_damaged_file_begins_anew(watch: Watch) -> None:
    watch.file.write_text("{")
    watch.look(DOWN)
    assert watch.look(DOWN) == 1

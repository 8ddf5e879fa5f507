"""The live feed with odd entries, holes, and numbers that begin again: nothing is lost, nothing blocks it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from killreport_assets.ingest import feed as ingest_feed
from killreport_assets.ingest.feed import MAX_UNREADABLE, FeedLoader, follow, has_news
from killreport_assets.settings import Settings
from killreport_assets.sources.r2z2 import MAX_GAP, R2z2Feed
from killreport_assets.store.cursors import read_cursor
from killreport_assets_testing import genuine
from killreport_assets_testing.scripted import Answer, ScriptedService, envelope, scripted_service

FIRST = 700_000
GAP_REQUESTS = 60
BODIES = [line["esi"] for line in genuine.records()[:40]]


@pytest.fixture
def service() -> Iterator[ScriptedService]:
    """An R2Z2 without entries."""
    with scripted_service() as scripted:
        yield scripted


@pytest.fixture(autouse=True)
def _few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest_feed, "GAP_REQUESTS", GAP_REQUESTS)


@pytest.fixture
def feed(settings: Settings, service: ScriptedService, engine: Engine) -> R2z2Feed:
    """Its client."""
    return R2z2Feed(settings.with_values(r2z2_url=service.url, r2z2_max_rps=1000), engine)


def _publish(service: ScriptedService, entries: dict[int, Any], head: int | None = None) -> None:
    for sequence, entry in entries.items():
        answer = entry if isinstance(entry, Answer) else Answer(entry)
        service.answers[f"/ephemeral/{sequence}.json"] = answer
    service.answers["/ephemeral/sequence.json"] = Answer({"sequence": head or max(entries)})


def _entries(*sequences: int) -> dict[int, Any]:
    return {sequence: envelope(BODIES[index]) for index, sequence in enumerate(sequences)}


def _rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def _stored(engine: Engine) -> int:
    return int(_rows(engine, "select count(*) from raw.killmails")[0][0])


def _time_passes(engine: Engine, by: timedelta = timedelta(hours=2)) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text("update ops.feed_failures set first_failed_at = first_failed_at - :by, next_try_at = now()"),
            {"by": by},
        )


POISON = {
    "NaN outside the killmail": Answer('{"killmail_id": 1, "x": NaN, "esi":'),
    "a number of 5,000 digits": Answer('{"killmail_id": ' + "9" * 5_000 + "}"),
    "HTML with 200": Answer("<html>Attention Required! | Cloudflare</html>"),
    "500": Answer("down", 500),
    "451": Answer("no", 451),
    "broken gzip": Answer(b"\x1f\x8bnot", headers={"Content-Encoding": "gzip"}),
    "nothing": Answer(b""),
    "deeply nested": Answer("[" * 100_000),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_an_entry_that_cannot_be_read_is_kept_and_passed(
    feed: R2z2Feed, service: ScriptedService, engine: Engine, poison: Answer
) -> None:
    _publish(service, _entries(FIRST, FIRST + 1, FIRST + 2) | {FIRST + 1: poison})
    report = follow(feed, engine, start=FIRST)
    assert (report.stopped_by, report.next_sequence, report.unreadable) == (None, FIRST + 3, [FIRST + 1])
    assert _stored(engine) == 2
    [(sequence, content)] = _rows(engine, "select sequence, content from ops.feed_failures")
    assert sequence == FIRST + 1
    assert content in {None, poison.content[: 2**20]}
    _publish(service, {FIRST + 1: envelope(BODIES[5])}, FIRST + 2)
    assert not has_news(feed, engine)
    _time_passes(engine)
    assert has_news(feed, engine)
    assert follow(feed, engine).caught_up
    assert _stored(engine) == 3
    assert _rows(engine, "select * from ops.feed_failures") == []


def test_poison_at_the_head_is_passed_after_some_tries(
    feed: R2z2Feed, service: ScriptedService, engine: Engine
) -> None:
    _publish(service, _entries(FIRST) | {FIRST + 1: POISON["HTML with 200"]})
    for _ in range(3):
        report = follow(feed, engine, start=FIRST)
        assert report.stopped_by is not None
        assert report.next_sequence == FIRST + 1
    _time_passes(engine)
    report = follow(feed, engine)
    assert (report.stopped_by, report.next_sequence) == (None, FIRST + 2)


def test_a_feed_of_which_nothing_can_be_read_is_not_passed(
    feed: R2z2Feed, service: ScriptedService, engine: Engine
) -> None:
    poison = dict.fromkeys(range(FIRST + 1, FIRST + 30), POISON["HTML with 200"])
    _publish(service, _entries(FIRST) | poison)
    loaded = FeedLoader(feed, FIRST).load(engine)
    assert loaded.stopped_by is not None
    assert "broken JSON" in loaded.stopped_by
    with engine.connect() as connection:
        assert read_cursor(connection, "r2z2") == FIRST + 1
    assert len(_rows(engine, "select * from ops.feed_failures")) == MAX_UNREADABLE + 1
    [(failure,)] = _rows(engine, "select failure from ops.feed_cursors")
    assert "broken JSON" in failure


def test_entries_between_two_holes_are_read(feed: R2z2Feed, service: ScriptedService, engine: Engine) -> None:
    present = [FIRST, *range(FIRST + 61, FIRST + 64), *range(FIRST + 200, FIRST + 203)]
    _publish(service, _entries(*present))
    while has_news(feed, engine):
        follow(feed, engine, start=FIRST)
    assert _stored(engine) == len(present)
    gaps = _rows(engine, "select first_sequence, last_sequence from ops.feed_gaps order by 1")
    missing = {number for first, last in gaps for number in range(first, last + 1)}
    assert missing == set(range(FIRST, FIRST + 203)) - set(present)
    assert all(service.requests[f"/ephemeral/{number}.json"] for number in missing)


@hypothesis_settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(present=st.sets(st.integers(FIRST, FIRST + 180), min_size=1, max_size=len(BODIES)))
def test_nothing_that_the_feed_has_is_passed_over(
    feed: R2z2Feed, service: ScriptedService, engine: Engine, present: set[int]
) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("truncate raw.killmails, ops.feed_gaps, ops.feed_cursors"))
    service.answers.clear()
    service.requests.clear()
    _publish(service, _entries(*sorted(present)))
    while has_news(feed, engine):
        follow(feed, engine, start=FIRST)
    assert _stored(engine) == len(present)
    gaps = _rows(engine, "select first_sequence, last_sequence, next_sequence from ops.feed_gaps")
    missing = {number for first, last, _ in gaps for number in range(first, last + 1)}
    assert missing == set(range(FIRST, max(present))) - present
    assert {open_at for _, _, open_at in gaps} <= {None}
    assert all(service.requests[f"/ephemeral/{number}.json"] for number in missing)


def test_a_feed_that_begins_its_numbers_again_is_followed(
    feed: R2z2Feed, service: ScriptedService, engine: Engine
) -> None:
    _publish(service, _entries(FIRST + 1_000))
    follow(feed, engine, start=FIRST + 1_000)
    service.answers.clear()
    _publish(service, {FIRST + number: envelope(BODIES[1 + number]) for number in range(3)})
    assert has_news(feed, engine)
    follow(feed, engine)
    assert _stored(engine) == 4
    with engine.connect() as connection:
        assert read_cursor(connection, "r2z2") == FIRST + 3
    _publish(service, {FIRST + 3: envelope(BODIES[9])})
    assert follow(feed, engine).caught_up
    assert _stored(engine) == 5


@pytest.mark.parametrize("blank", ["", "  ", None, 0, []])
def test_a_blank_hash_is_an_absent_one(feed: R2z2Feed, service: ScriptedService, engine: Engine, blank: object) -> None:
    whole = envelope(BODIES[0])
    _publish(service, {FIRST: whole | {"hash": blank, "zkb": whole["zkb"] | {"hash": blank}}})
    assert len(follow(feed, engine, start=FIRST).written.stored) == 1


@pytest.mark.parametrize("absent", [{"esi": None}, {"esi": {}}, {"esi": {"killmail_id": 5}}, {"esi": "soon"}])
def test_what_has_an_id_and_a_hash_is_requested_from_esi(
    feed: R2z2Feed, service: ScriptedService, engine: Engine, absent: dict[str, Any]
) -> None:
    whole = envelope(BODIES[0])
    bodyless = {name: value for name, value in whole.items() if name != "esi"}
    _publish(service, {FIRST: bodyless, FIRST + 1: envelope(BODIES[1]) | absent, FIRST + 2: envelope(BODIES[2])})
    follow(feed, engine, start=FIRST)
    assert _stored(engine) == 1
    pending = _rows(engine, "select entity_id, hash from ops.entity_pending where entity_kind = 'killmail' order by 1")
    second = 5 if absent["esi"] == {"killmail_id": 5} else BODIES[1]["killmail_id"]
    assert dict(pending) == {BODIES[0]["killmail_id"]: whole["hash"], second: envelope(BODIES[1])["hash"]}


def test_what_a_feed_never_had_is_not_searched_for_ever(
    feed: R2z2Feed, service: ScriptedService, engine: Engine
) -> None:
    _publish(service, _entries(FIRST + 5_000))
    report = follow(feed, engine, start=FIRST)
    assert report.caught_up
    assert sum(service.requests.values()) < GAP_REQUESTS + MAX_GAP + 30
    [(open_gap,)] = _rows(engine, "select next_sequence from ops.feed_gaps where next_sequence is not null")
    assert open_gap == FIRST + 4_999 - GAP_REQUESTS

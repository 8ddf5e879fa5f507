"""The archive writer gives the very rows of the ordinary writer, whatever comes, and however it is cut into chunks."""

import copy
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.generated import GeneratedKillmails
from killreport_assets.sandbox.world import World
from killreport_assets.sources.everef import read_member
from killreport_assets.store.archive_writer import ArchiveWriter
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets_testing import genuine
from killreport_assets_testing.archives import members_of
from killreport_assets_testing.databases import Databases

EQUAL = {
    "raw.killmails": "(to_jsonb(t) - 'stored_at')",
    "raw.killmail_attackers": "to_jsonb(t)",
    "raw.killmail_items": "to_jsonb(t)",
    "ops.rejected_killmails": "(to_jsonb(t) - 'rejected_at')",
    "ops.entity_pending": "(to_jsonb(t) - 'first_seen')",
    "ops.enrichments": "(to_jsonb(t) - 'requested_at')",
}
ODD_VALUES: Sequence[Any] = (
    *(None, True, 0, -1, 1.0, 1.5, 2**63, 2**63 - 1, 10**30, "1", "", "\x00", [], {}, [{}], "2016-03-01T24:00:00Z"),
    *("2016-03-01T00:00:00", "2016-03-01T00:00:00+02:00", "2016-03-01 00:00:00Z", "1999-01-01T00:00:00Z"),
    *("2016-02-30T00:00:00Z", "2016-03-01T00:00:00.123456Z", 1456790400, "A" * 40),
)


def _chunks(members: Sequence[bytes], size: int) -> list[Sequence[bytes]]:
    return [members[start : start + size] for start in range(0, len(members), size)]


def _write(engine: Engine, members: Sequence[bytes], size: int) -> tuple[WriteReport, int]:
    with ArchiveWriter(engine, "everef", read_member) as writer:
        for chunk in _chunks(members, size):
            writer.write(chunk)
    return writer.report, writer.doubtful


def _differences(one: Engine, other: Engine) -> dict[str, list[str]]:
    """The rows that only one of two databases has, by table."""
    found = {}
    for table, row in EQUAL.items():
        query = sa.text(f"select cast({row} as text) from {table} t order by 1")
        with one.connect() as first, other.connect() as second:
            rows, others = (list(connection.execute(query).scalars()) for connection in (first, second))
        if rows != others:
            found[table] = sorted({*rows} ^ {*others}) or ["the same rows, some of them more than once"]
    return found


def _days(engine: Engine) -> list[Any]:
    query = "select killmail_date, min(earliest), max(latest) from ops.changed_days group by 1 order by 1"
    with engine.connect() as connection:
        return list(connection.execute(sa.text(query)).all())


@pytest.fixture
def reference(databases: Databases) -> Iterator[Engine]:
    """The database of the ordinary writer."""
    with databases.fresh() as engine:
        yield engine


@pytest.mark.parametrize("size", [7, 1000])
def test_genuine_killmails_give_the_same_rows(engine: Engine, reference: Engine, size: int) -> None:
    members = members_of(genuine.bodies())
    expected = write_killmails(reference, map(read_member, members), "everef")
    report, doubtful = _write(engine, members, size)
    assert sorted(report.stored) == sorted(expected.stored)
    assert (report.attackers, report.items) == (expected.attackers, expected.items)
    assert (_differences(engine, reference), _days(engine)) == ({}, _days(reference))
    assert doubtful == 0  # else the fast path would not have been tried
    again, doubtful = _write(engine, members, size)
    assert (again.stored, len(again.already_there), doubtful) == ([], len(members), len(members))
    assert _differences(engine, reference) == {}


def test_killmails_without_optional_fields_and_of_all_sizes_give_the_same_rows(
    engine: Engine, reference: Engine
) -> None:
    made = GeneratedKillmails(World(), seed=3, profile="history")
    first = datetime(2016, 2, 29, 20, tzinfo=UTC)  # two days and two months
    bodies = [KillmailBody(*killmail) for killmail in made.spread(300, first, first + timedelta(hours=8))]
    bodies[5].body["victim"].pop("position")
    bodies[6].body["victim"].pop("items")
    bodies[7].body["attackers"][0] |= {"faction_id": 500001, "character_id": None}
    write_killmails(reference, map(read_member, members_of(bodies)), "everef")
    _, doubtful = _write(engine, members_of(bodies), 50)
    assert (_differences(engine, reference), _days(engine), doubtful) == ({}, _days(reference), 0)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a document, as the keys that lead to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in inner:
        yield (*path, key)
        yield from _places(inside, (*path, key))


@st.composite
def _odd_member(draw: st.DrawFn) -> bytes:
    """A small genuine killmail with something wrong, or only unusual, somewhere in it."""
    small = sorted(genuine.bodies(), key=lambda body: len(json.dumps(body.body)))[:40]
    member = json.loads(members_of([draw(st.sampled_from(small))])[0])
    for _ in range(draw(st.integers(0, 2))):
        *path, last = draw(st.sampled_from(sorted(_places(member), key=str)))
        place = member
        for key in path:
            place = place[key]
        match draw(st.sampled_from(["replace", "remove", "add", "repeat"])):
            case "replace":
                place[last] = draw(st.sampled_from(ODD_VALUES))
            case "remove":
                del place[last]
            case "add" if isinstance(place, dict):
                place["unknown"] = draw(st.sampled_from(ODD_VALUES))
            case "repeat" if isinstance(place, list):
                place.append(copy.deepcopy(place[last]))
    content = json.dumps(member).encode()
    return draw(st.sampled_from([content, content, content, content[:-1], b"\xef\xbb\xbf" + content, content + b" "]))


@hypothesis_settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(members=st.lists(_odd_member(), min_size=1, max_size=12), size=st.integers(1, 5))
def test_whatever_comes_the_rows_are_those_of_the_ordinary_writer(
    databases: Databases, members: list[bytes], size: int
) -> None:
    with databases.fresh() as engine, databases.fresh() as reference:
        for chunk in _chunks(members, size):
            write_killmails(reference, map(read_member, chunk), "everef")
        _write(engine, members, size)
        assert (_differences(engine, reference), _days(engine)) == ({}, _days(reference))


def test_nothing_of_a_block_that_fails_is_left_but_what_was_committed(engine: Engine) -> None:
    members = members_of(genuine.bodies())
    with pytest.raises(RuntimeError), ArchiveWriter(engine, "everef", read_member) as writer:
        writer.write(members[:20])
        writer.close()
        writer.write(members[20:40])
        raise RuntimeError
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from raw.killmails")).scalar_one() == 20
        assert connection.execute(sa.text("select count(distinct killmail_id) from ops.enrichments")).scalar_one() == 20


def test_another_process_that_stores_one_of_them_meanwhile_costs_nothing(engine: Engine, reference: Engine) -> None:
    members = members_of(genuine.bodies()[:30])
    write_killmails(reference, map(read_member, members), "everef")
    with ArchiveWriter(engine, "everef", read_member) as writer:
        writer.write(members[:10])
        write_killmails(engine, map(read_member, members[10:15]), "everef")
        writer.write(members[10:20])
        writer.write(members[20:])
    assert (len(writer.report.stored), len(writer.report.already_there), writer.doubtful) == (25, 5, 10)
    assert _differences(engine, reference) == {}

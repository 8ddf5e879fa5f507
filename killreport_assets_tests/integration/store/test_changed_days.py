"""`ops.changed_days`: marked in the transaction that changes a day, exactly, and without waiting for one another."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets.models.ids import THE_FORGE
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.world import World
from killreport_assets.store.changed_days import forget_built, is_build_due
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails, write_killmails_in
from killreport_assets.store.market import (
    WINDOW,
    mark_history,
    mark_prices,
    replace_blueprint_materials,
    write_market_day,
    write_market_day_in,
    write_market_prices,
    write_market_prices_in,
)
from killreport_assets.store.schema import statistics as statistics_tables
from killreport_assets.store.schema import tables

WORLD = World()
KILLMAIL = next(iter(WORLD.killmails.values()))
HULL, SYSTEM = KILLMAIL.body["victim"]["ship_type_id"], KILLMAIL.body["solar_system_id"]
DAY = KILLMAIL.day


def _days(engine: Engine) -> list[date]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("select distinct killmail_date from ops.changed_days")).scalars())


def _changed(engine: Engine, change: Any) -> list[date]:
    """The days that a change marks."""
    with engine.begin() as connection:
        connection.execute(sa.delete(statistics_tables.changed_days))
    with engine.begin() as connection:
        change(connection)
    return _days(engine)


def _bodies(days: int = 1) -> list[KillmailBody]:
    return [
        KillmailBody(KILLMAIL.body | {"killmail_id": KILLMAIL.id + n, "killmail_time": _time(n)}, None)
        for n in range(days)
    ]


def _time(days: int) -> str:
    return f"{datetime.combine(DAY, datetime.min.time(), UTC) + timedelta(days=days, hours=12):%FT%TZ}"


def _row(type_id: int, average: float, region_id: int = THE_FORGE) -> dict[str, Any]:
    blank = dict.fromkeys(("highest", "lowest", "order_count", "volume", "observed_at"))
    return blank | {"region_id": region_id, "type_id": type_id, "average": average}


def _history(day: date, *rows: dict[str, Any]) -> Any:
    return lambda connection: write_market_day_in(connection, day, [row | {"date": day} for row in rows])


def _trade(engine: Engine, type_id: int, days: range) -> None:
    """Store an average of the type on each of the days after DAY."""
    with engine.begin() as connection:
        for day in (DAY + timedelta(days=n) for n in days):
            write_market_day_in(connection, day, [_row(type_id, 7.0) | {"date": day}])


def test_a_new_killmail_marks_its_day_and_a_known_one_none(engine: Engine) -> None:
    write = lambda connection: write_killmails_in(connection, _bodies(), "esi")  # noqa: E731
    assert _changed(engine, write) == [DAY]
    assert _changed(engine, write) == []


def test_writers_of_one_day_do_not_wait_for_each_other(engine: Engine) -> None:
    # Two killmails of one day that mention nothing in common, so that nothing but the day is shared.
    with engine.connect() as one, engine.connect() as other:
        for n, connection in enumerate((one, other)):
            connection.execute(sa.text("set lock_timeout = '2s'"))
            write_killmails_in(connection, [_lonely(n)], "esi")
        other.commit()
        one.commit()
    assert _days(engine) == [DAY]
    with engine.connect() as connection:
        assert connection.execute(sa.text("select count(*) from ops.changed_days")).scalar() == 2


def _lonely(n: int) -> KillmailBody:
    """A killmail in which everything but its time is its own."""
    attacker = {"character_id": 91_000_000 + n, "damage_done": 1, "final_blow": True, "security_status": 0.0}
    victim = {"character_id": 92_000_000 + n, "damage_taken": 1, "ship_type_id": 587 + n, "items": []}
    body = {
        "killmail_id": KILLMAIL.id + n,
        "killmail_time": _time(0),
        "solar_system_id": SYSTEM,
        "attackers": [attacker],
        "victim": victim,
    }
    return KillmailBody(body, None)


def test_a_price_marks_the_days_that_it_values_and_no_others(engine: Engine) -> None:
    write_killmails(engine, _bodies(60), "esi")
    assert _changed(engine, _history(DAY, _row(HULL, 5.0, region_id=10_000_043))) == []
    assert _changed(engine, _history(DAY, _row(1, 5.0))) == []
    assert len(_changed(engine, _history(DAY + timedelta(days=40), _row(HULL, 5.0)))) == 20
    assert _changed(engine, _history(DAY + timedelta(days=40), _row(HULL, 5.0))) == []  # nothing new
    assert min(_changed(engine, _history(DAY + timedelta(days=50), _row(HULL, 6.0)))) == DAY + timedelta(days=50)


def test_a_late_price_marks_until_34_later_averages_have_put_it_out_of_use(engine: Engine) -> None:
    write_killmails(engine, _bodies(60), "esi")
    _trade(engine, HULL, range(1, WINDOW + 10))
    days = _changed(engine, _history(DAY, _row(HULL, 5.0)))
    assert (min(days), max(days)) == (DAY, DAY + timedelta(days=WINDOW - 1))


def test_the_price_of_a_material_values_what_is_built_from_it(engine: Engine) -> None:
    write_killmails(engine, _bodies(60), "esi")
    part, mineral = 11399, 34
    recipe = [(HULL, part), (part, mineral)]
    rows = [
        {"product_type_id": product, "material_type_id": material, "quantity": 1, "product_quantity": 1}
        for product, material in recipe
    ]
    assert len(_changed(engine, lambda c: replace_blueprint_materials(c, rows))) == 60
    assert _changed(engine, lambda c: replace_blueprint_materials(c, rows)) == []
    days = _changed(engine, _history(DAY, _row(mineral, 5.0)))
    assert (min(days), len(days)) == (DAY, 60)
    _trade(engine, mineral, range(1, WINDOW + 10))
    days = _changed(engine, _history(DAY, _row(mineral, 6.0)))
    assert (min(days), max(days)) == (DAY, DAY + timedelta(days=WINDOW - 1 + len(recipe)))


def test_a_late_price_of_what_is_seldom_traded_values_all_later_days(engine: Engine) -> None:
    write_killmails(engine, _bodies(60), "esi")
    _trade(engine, HULL, range(3, 3 * WINDOW + 10, 3))
    assert len(_changed(engine, _history(DAY, _row(HULL, 5.0)))) == 60


def test_a_price_of_the_day_before_values_the_first_hour(engine: Engine) -> None:
    body = KILLMAIL.body | {"killmail_time": f"{DAY}T00:59:59Z"}
    write_killmails(engine, [KillmailBody(body, None)], "esi")
    assert _changed(engine, _history(DAY, _row(HULL, 5.0))) == []
    assert _changed(engine, _history(DAY - timedelta(days=1), _row(HULL, 5.0))) == [DAY]


def test_a_types_first_price_of_esi_values_the_past_and_a_later_one_does_not(engine: Engine) -> None:
    write_killmails(engine, _bodies(10), "esi")
    row = {"type_id": HULL, "average_price": 5.0, "adjusted_price": None}
    later = DAY + timedelta(days=5)
    assert len(_changed(engine, lambda c: write_market_prices_in(c, later, [row]))) == 10
    assert _changed(engine, lambda c: write_market_prices_in(c, later, [row])) == []
    # The day's last observation counts: it is still the first price that there is.
    assert len(_changed(engine, lambda c: write_market_prices_in(c, later, [row | {"average_price": 6.0}]))) == 10
    next_day = later + timedelta(days=1)
    assert len(_changed(engine, lambda c: write_market_prices_in(c, next_day, [row | {"average_price": 7.0}]))) == 4


def test_a_type_without_an_average_has_no_price_yet(engine: Engine) -> None:
    write_killmails(engine, _bodies(10), "esi")
    row = {"type_id": HULL, "average_price": None, "adjusted_price": 5.0}
    with engine.begin() as connection:
        write_market_prices_in(connection, DAY, [row])
    later = DAY + timedelta(days=5)
    assert len(_changed(engine, lambda c: write_market_prices_in(c, later, [row | {"average_price": 6.0}]))) == 10


def test_static_data_marks_the_days_that_rest_on_it(engine: Engine) -> None:
    static = {
        name: {next(iter(row.values())): row for row in WORLD.static[name]} for name in ("types", "groups", "systems")
    }
    hull, system = static["types"][HULL], static["systems"][SYSTEM]
    group = static["groups"][hull["group_id"]]
    write_killmails(engine, _bodies(3), "esi")
    for table, row, other in (
        (tables.types, hull | {"source": "esi"}, {"meta_level": 9.0}),
        (tables.groups, group, {"category_id": 7}),
        (tables.systems, system, {"security_status": -0.5}),
    ):
        load = lambda c, table=table, row=row: upsert(c, table, [row])  # noqa: E731
        assert len(_changed(engine, load)) == 3, table
        assert _changed(engine, load) == [], table
        assert _changed(engine, lambda c, t=table, r=row: upsert(c, t, [r | {"name": "other"}])) == [], table
        assert len(_changed(engine, lambda c, t=table, r=row, o=other: upsert(c, t, [r | o]))) == 3, table
    unmentioned = next(row for id_, row in static["types"].items() if id_ == 18)
    assert _changed(engine, lambda c: upsert(c, tables.types, [unmentioned | {"source": "esi"}])) == []


def test_what_is_built_is_forgotten_only_when_every_cadence_has_built_it(engine: Engine) -> None:
    write_killmails(engine, _bodies(), "esi")
    assert is_build_due(engine, "frequent")
    _built(engine, "frequent")
    assert not is_build_due(engine, "frequent")
    assert is_build_due(engine, "nightly")
    assert forget_built(engine) == 0
    _built(engine, "nightly")
    assert forget_built(engine) == 1


def test_a_new_date_is_a_reason_to_build(engine: Engine) -> None:
    _built(engine, "frequent", as_of=datetime.now(UTC).date() - timedelta(days=1))
    assert is_build_due(engine, "frequent")
    _built(engine, "frequent")
    assert not is_build_due(engine, "frequent")


def _built(engine: Engine, cadence: str, as_of: date | None = None) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.delete(statistics_tables.transform_builds).where(statistics_tables.transform_builds.c.cadence == cadence)
        )
        connection.execute(
            sa.text("""
            insert into ops.transform_builds (cadence, snapshot, as_of)
            values (:cadence, cast(pg_current_snapshot() as text), :as_of)
            """),
            {"cadence": cadence, "as_of": as_of or datetime.now(UTC).date()},
        )


@pytest.mark.parametrize("other", ["commits", "rolls back"])
def test_a_transaction_that_is_open_during_a_build_is_for_the_next_one(engine: Engine, other: str) -> None:
    with engine.connect() as connection:
        transaction = connection.begin()
        write_killmails_in(connection, _bodies(), "esi")
        _built(engine, "frequent")
        assert not is_build_due(engine, "frequent")
        transaction.commit() if other == "commits" else transaction.rollback()
    assert is_build_due(engine, "frequent") == (other == "commits")


def test_days_are_looked_for_again_once_prices_are_committed(engine: Engine) -> None:
    # The price does not see the killmail yet, and is committed after a build has used up the killmail's own mark.
    with engine.connect() as killmail, engine.connect() as price:
        write_killmails_in(killmail, _bodies(), "esi")
        changed = write_market_day_in(price, DAY, [_row(HULL, 5.0) | {"date": DAY}])
        prices = [{"type_id": HULL, "average_price": 5.0, "adjusted_price": None}]
        changed_prices = write_market_prices_in(price, DAY, prices)
        killmail.commit()
        _built(engine, "frequent")
        price.commit()
    assert not is_build_due(engine, "frequent")
    for again in (lambda c: mark_history(c, DAY, changed), lambda c: mark_prices(c, changed_prices)):
        assert _changed(engine, again) == [DAY]
        assert is_build_due(engine, "frequent")


def test_prices_are_stored_and_their_days_marked(engine: Engine) -> None:
    write_killmails(engine, _bodies(), "esi")
    _built(engine, "frequent")
    assert write_market_day(engine, DAY, [_row(HULL, 5.0) | {"date": DAY}]) == 1
    assert is_build_due(engine, "frequent")
    _built(engine, "frequent")
    assert write_market_prices(engine, DAY, [{"type_id": HULL, "average_price": 5.0, "adjusted_price": None}]) == 1
    assert is_build_due(engine, "frequent")

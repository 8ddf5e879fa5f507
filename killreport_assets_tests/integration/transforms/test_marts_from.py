"""KILLREPORT_MARTS_FROM: killmails of earlier months are stored, and in no mart, however a model is built."""

from datetime import date
from pathlib import Path

import sqlalchemy as sa

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.world import World
from killreport_assets.store.killmails import write_killmails
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import Warehouse, load_static

MARTS = ("fct_killmails", "mart_system_daily", "mart_system_all_time", "mart_system_monthly")
CHOSEN = ("--select", *(f"+{mart}" for mart in MARTS))
NO_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
EARLY = """
    select (select count(*) from marts.fct_killmails where killmail_date < :first),
        (select count(*) from marts.mart_system_daily where killmail_date < :first),
        (select count(*) from marts.mart_system_all_time where first_date < :first),
        (select count(*) from marts.mart_system_monthly where month < :first)
"""


def test_earlier_killmails_are_in_no_mart(databases: Databases, tmp_path: Path) -> None:
    killmails = sorted(World().killmails.values(), key=lambda killmail: killmail.body["killmail_time"])
    days = [killmail.day for killmail in killmails]
    chosen = days[len(days) // 2]
    first = chosen.replace(day=1)
    assert days[0] < first
    late = next(killmail for killmail in killmails if killmail.day < first)
    with databases.fresh() as engine:
        with engine.begin() as connection:
            load_static(connection, World())
        write_killmails(engine, [KillmailBody(one.body, one.hash) for one in killmails if one is not late], "everef")
        warehouse = Warehouse(engine, tmp_path, marts_from=chosen)
        warehouse.dbt("build", *NO_TESTS, *CHOSEN)
        _hold_what_they_should(warehouse, first, sum(day >= first for day in days))
        write_killmails(engine, [KillmailBody(late.body, late.hash)], "r2z2")
        warehouse.dbt("build", *NO_TESTS, *CHOSEN)
        _hold_what_they_should(warehouse, first, sum(day >= first for day in days))
        # One that is built alone reads all of the others at once.
        warehouse.dbt("run", "--full-refresh", "--select", "int_day_prices", "int_killmail_values", "int_killmails")
        warehouse.dbt("run", "--full-refresh", "--select", *MARTS)
        _hold_what_they_should(warehouse, first, sum(day >= first for day in days))
        assert warehouse.rows("select count(*) from raw.killmails") == [(len(killmails),)]


def _hold_what_they_should(warehouse: Warehouse, first: date, killmails: int) -> None:
    with warehouse.engine.connect() as connection:
        assert tuple(connection.execute(sa.text(EARLY), {"first": first}).one()) == (0, 0, 0, 0)
    assert warehouse.rows("select count(*) from marts.fct_killmails") == [(killmails,)]
    assert warehouse.rows("select sum(kills) from marts.mart_system_all_time") == [(killmails,)]

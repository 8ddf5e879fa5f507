"""Prices of the genuine killmails, against zKillboard's rules written a second time, in plain Python.

The rules are those of classes/Price.php and classes/Build.php at its commit 2baf6057. The genuine market history covers
71 days, of which two are days of killmails with zKillboard's own values: those values cannot be compared here. Of most
materials it has no average: theirs are made.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from math import ceil
from typing import Any

import pytest

from killreport_assets.models.killmail import KillmailBody
from killreport_assets.sandbox.world import World
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.market import write_market_day_in
from killreport_assets.store.schema import tables
from killreport_assets.transforms.project import PROJECT
from killreport_assets_testing.databases import Databases
from killreport_assets_testing.warehouse import Warehouse, load_static, market_row

CENT = Decimal("0.01")
WORLD = World()
TITAN, SUPERCARRIER, STRUCTURE_MODULE, CUSTOMS_OFFICE = 30, 659, 66, 2233
BY_KIND = ({91}, {29, 4513, 4759})
"""Categories and groups whose price does not depend on the day: int_killmail_values gives it."""
CUSTOMS_OFFICE_PARTS = {3962: 1, 2867: 8, 2871: 8, 2872: 8, 2876: 8}


def _history() -> dict[int, dict[date, Decimal]]:
    history: dict[int, dict[date, Decimal]] = {}
    for row in WORLD.market_history:
        average = Decimal(str(row["average"])).quantize(CENT, ROUND_HALF_UP)
        history.setdefault(row["type_id"], {})[date.fromisoformat(row["date"])] = average
    products = {row["product_type_id"] for row in WORLD.static["blueprints"]}
    materials = {type_id for row in WORLD.static["blueprints"] for type_id, _ in row["materials"]}
    days = {killmail.day - timedelta(days=back) for killmail in WORLD.killmails.values() for back in range(1, 9)}
    for type_id in materials - products - history.keys():
        history[type_id] = {day: Decimal(5 + (type_id + 7 * day.day) % 90) for day in days if (day.day + type_id) % 3}
    return history


def _fixed() -> dict[int, list[tuple[Decimal, str, str]]]:
    fixed: dict[int, list[tuple[Decimal, str, str]]] = {}
    with (PROJECT / "seeds" / "zkb_fixed_prices.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            price = (Decimal(row["price"]), row["since"] or "0", row["until"] or "9")
            fixed.setdefault(int(row["type_id"]), []).append(price)
    return fixed


class ZkillboardPrices:
    """Prices by type and time; None is unknown, where zKillboard takes a cent."""

    def __init__(self) -> None:
        self.types = {row["type_id"]: row for row in WORLD.static["types"]}
        self.categories = {row["group_id"]: row["category_id"] for row in WORLD.static["groups"]}
        self.history, self.fixed = _history(), _fixed()
        self.recipes = {
            row["product_type_id"]: {
                type_id: Decimal(max(1, ceil(Decimal("0.9") * quantity))) / row["product_quantity"]
                for type_id, quantity in row["materials"]
                if type_id != row["product_type_id"]
            }
            for row in WORLD.static["blueprints"]
        }

    def group(self, type_id: int) -> int | None:
        """The type's group."""
        row: dict[str, Any] = self.types.get(type_id, {})
        return row.get("group_id")

    @cache  # noqa: B019 - one object for all tests
    def price(self, type_id: int, moment: datetime) -> Decimal | None:
        """Price::getItemPrice."""
        for fixed, since, until in self.fixed.get(type_id, []):
            if since <= f"{moment:%F}" < until:
                return fixed
        group = self.group(type_id)
        if group in {TITAN, SUPERCARRIER} or self.categories.get(group or 0) == STRUCTURE_MODULE:
            built = self.built(type_id, moment)
            if built is not None and built > CENT:
                return built
        day = (moment - timedelta(seconds=3601)).date()
        if type_id == CUSTOMS_OFFICE:
            return self._sum(CUSTOMS_OFFICE_PARTS, moment)
        known = {on: average for on, average in self.history.get(type_id, {}).items() if on <= day and average > 0}
        price = self._mean(known, day)
        if price is None or price <= CENT:
            price = self.built(type_id, datetime.combine(day, time())) or price
        return min(price, known[day]) if price is not None and day in known else price

    def built(self, type_id: int, moment: datetime) -> Decimal | None:
        """Build::getItemPrice."""
        recipe = self.recipes.get(type_id)
        return self._sum(recipe, datetime.combine(moment.date(), time())) if recipe else None

    def _sum(self, recipe: dict[int, Any], moment: datetime) -> Decimal | None:
        prices = [(self.price(type_id, moment), units) for type_id, units in recipe.items()]
        if any(price is None for price, _ in prices):
            return None
        return sum((price * units for price, units in prices if price is not None), Decimal(0))

    @staticmethod
    def _mean(known: dict[date, Decimal], day: date) -> Decimal | None:
        found: list[Decimal] = []
        days = 0
        while len(found) < 34 and days < max(1, len(known)):
            found += [known[day]] if day in known else []
            day -= timedelta(days=1)
            days += 1
        found.sort()
        if len(found) == 34:
            found = found[2:32]
        elif len(found) > 6:
            found = found[:-2]
        return (sum(found, Decimal(0)) / len(found)).quantize(CENT, ROUND_HALF_UP) if found else None


@dataclass(frozen=True)
class Row:
    """A row of int_day_prices."""

    killmail_date: date
    price_date: date
    type_id: int
    price: Decimal | None
    basis: str | None


@pytest.fixture(scope="module")
def warehouse(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The prices of every genuine killmail."""
    days: dict[date, list[dict[str, Any]]] = {}
    for type_id, averages in _history().items():
        for day, average in averages.items():
            days.setdefault(day, []).append(market_row(day, type_id, average))
    with databases.fresh() as engine:
        with engine.begin() as connection:
            load_static(connection, WORLD)
            upsert(connection, tables.types, [row | {"source": "sde"} for row in WORLD.static["types"]])
            for day, rows in days.items():
                write_market_day_in(connection, day, rows)
        write_killmails(engine, [KillmailBody(k.body, k.hash) for k in WORLD.killmails.values()], "everef")
        made = Warehouse(engine, tmp_path_factory.mktemp("dbt"))
        made.build("--select", "+int_killmail_values", is_tested=False)
        yield made


@pytest.fixture(scope="module")
def rows(warehouse: Warehouse) -> list[Row]:
    """Prices that depend on the day."""
    read = warehouse.rows("""
        select killmail_date, price_date, type_id, zkb_trimmed, zkb_trimmed_basis from intermediate.int_day_prices
    """)
    rules = ZkillboardPrices()
    categories, groups = BY_KIND
    kinds = {row.type_id: rules.group(row.type_id) for row in (Row(*row) for row in read)}
    return [
        row
        for row in (Row(*row) for row in read)
        if kinds[row.type_id] not in groups and rules.categories.get(kinds[row.type_id] or 0) not in categories
    ]


def test_every_price_of_the_genuine_killmails_is_that_of_zkillboards_rules(rows: list[Row]) -> None:
    rules = ZkillboardPrices()
    different = []
    for row in rows:
        # Late enough on the day of the prices, or on the killmail's own where that is the day after.
        moment = datetime.combine(row.killmail_date, time(0, 30) if row.price_date < row.killmail_date else time(12))
        expected = rules.price(row.type_id, moment)
        unknown = Decimal(-1)
        if abs((unknown if expected is None else expected) - (unknown if row.price is None else row.price)) > CENT:
            different.append((row, expected))
    assert different[:10] == []
    bases = [row.basis for row in rows]
    assert min(bases.count("averages"), len(rows) - bases.count(None)) > 1_000
    assert bases.count("materials") >= 50
    assert bases.count("fixed") >= 1


def test_what_the_genuine_history_prices_wholly_is_said(warehouse: Warehouse) -> None:
    [(killmails, whole)] = warehouse.rows("""
        select count(*), count(*) filter (where zkb_trimmed_unpriced_units = 0)
        from intermediate.int_killmail_values
    """)
    assert killmails == len(WORLD.killmails)
    assert whole > 30

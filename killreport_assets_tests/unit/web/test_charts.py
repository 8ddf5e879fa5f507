"""The geometry of charts, how numbers are written, and fits as text."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.web.charts import LEVELS, MAX_MONTHS, heat_map, level, months, year_grid
from killreport_assets.web.fitting import eft_text, fit_of
from killreport_assets.web.formats import isk, security, security_class
from killreport_assets.web.rest.paths import PAGE, BadPath, Listing, read_path

days = st.dates(date(2003, 1, 1), date(2100, 1, 1))
hours = st.tuples(st.integers(1, 7), st.integers(0, 23))


@given(st.dictionaries(hours, st.integers(0, 10**9)))
def test_a_heat_map_has_every_hour_once_and_its_largest_is_the_darkest(values: dict[tuple[int, int], int]) -> None:
    cells = heat_map(values)
    assert len({(cell.weekday, cell.hour) for cell in cells}) == len(cells) == 7 * 24
    assert sum(cell.value for cell in cells) == sum(values.values())
    most = max(values.values(), default=0)
    assert all(
        (cell.level == LEVELS) == (most > 0 and cell.level == level(cell.value, most) == LEVELS) for cell in cells
    )
    assert all((cell.level == 0) == (cell.value == 0) for cell in cells)


@given(st.lists(st.tuples(days, st.floats(0, 1e15), st.floats(0, 1e15)), max_size=80))
def test_bars_are_one_for_each_month_and_fit_into_the_chart(rows: list[tuple[date, float, float]]) -> None:
    first_of_month = {day.replace(day=1): (day.replace(day=1), up, down) for day, up, down in rows}
    bars = months(list(first_of_month.values()))
    assert len(bars) <= MAX_MONTHS
    assert len({bar.label for bar in bars}) == len(bars)
    assert all(0 <= height <= 100 for bar in bars for height in (bar.up_height, bar.down_height))
    if rows:
        assert bars[-1].label == f"{max(first_of_month):%Y-%m}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "unknown"),
        (0, "0"),
        (999, "999"),
        (1_000, "1.00k"),
        (999_600, "1.00m"),
        (1_234_567, "1.23m"),
        (99_960_000, "100m"),
        (1.5e9, "1.50b"),
        (7.2e13, "72.0t"),
        (-2e9, "-2.00b"),
    ],
)
def test_isk_has_three_figures(value: float | None, text: str) -> None:
    assert isk(value) == text


@pytest.mark.parametrize(
    ("value", "text", "name"),
    [
        (0.9459, "0.9", "highsec"),
        (0.45, "0.5", "highsec"),
        (0.03, "0.1", "lowsec"),
        (0.0, "0.0", "nullsec"),
        (-0.7, "-0.7", "nullsec"),
    ],
)
def test_security_is_shown_as_eve_shows_it(value: float, text: str, name: str) -> None:
    assert (security(value), security_class(value)) == (text, name)


def _item(index: int, flag: int, slot: str, name: str, **more: Any) -> dict[str, Any]:
    blank = {"is_charge": False, "is_blueprint_copy": False, "quantity_destroyed": 1, "quantity_dropped": 0}
    return blank | {"item_index": index, "flag": flag, "slot": slot, "item_name": name, "item_type_id": index} | more


def test_a_fit_has_charges_in_their_slots_and_is_written_as_eft() -> None:
    items = [
        _item(0, 27, "high", "Light Missile Launcher II"),
        _item(1, 27, "high", "Scourge Light Missile", is_charge=True, quantity_destroyed=20),
        _item(2, 28, "high", "Light Missile Launcher II"),
        _item(3, 11, "low", "Damage Control II"),
        _item(4, 87, "drone bay", "Hobgoblin II", quantity_dropped=3, quantity_destroyed=2),
        _item(5, 5, "cargo", "Nanite Repair Paste", quantity_destroyed=10),
        _item(6, 5, "cargo", "Nanite Repair Paste", quantity_destroyed=0, quantity_dropped=5) | {"item_type_id": 5},
        _item(7, 19, "mid", "Cap Booster 50", is_charge=True),
    ]
    fit = fit_of(items)  # type: ignore[arg-type]  # rows as mappings
    assert list(fit.racks) == ["high", "low"]
    assert [[charge["item_name"] for charge in module.charges] for module in fit.racks["high"]] == [
        ["Scourge Light Missile"],
        [],
    ]
    assert fit.holds["cargo"][0].destroyed + fit.holds["cargo"][0].dropped == 15
    assert [stack.name for stack in fit.holds["other"]] == ["Cap Booster 50"]  # its module is gone
    assert eft_text("Kestrel", "a test", fit) == (
        "[Kestrel, a test]\n\nDamage Control II\n\n"
        "Light Missile Launcher II, Scourge Light Missile\nLight Missile Launcher II\n\n"
        "Hobgoblin II x5\n\nNanite Repair Paste x15\n"
    )


def test_every_item_of_a_killmail_is_somewhere_in_its_fit() -> None:
    items = [
        _item(n, flag, slot, f"type {n}") for n, (flag, slot) in enumerate([(5, "cargo"), (0, "unknown"), (177, "x")])
    ]
    fit = fit_of(items)  # type: ignore[arg-type]  # rows as mappings
    assert sum(len(stacks) for stacks in fit.holds.values()) == len(items)


@given(st.text(max_size=200))
def test_any_address_is_read_or_refused(path: str) -> None:
    try:
        listing = read_path(path)
    except BadPath:
        return
    assert isinstance(listing, Listing)
    assert 1 <= listing.limit <= PAGE


def test_a_year_and_month_are_its_first_to_its_last_moment() -> None:
    filters = read_path("kills/characterID/1/year/2024/month/12/").filters
    assert filters.since == datetime(2024, 12, 1, tzinfo=UTC)
    assert filters.until is not None
    assert filters.until < datetime(2025, 1, 1, tzinfo=UTC) < filters.until + (filters.until.resolution * 2)


def test_only_a_whole_month_has_the_highest_level() -> None:
    grid = year_grid({(2024, 12): 1.0, (2025, 1): 0.9999, (2025, 2): 0.0, (2025, 3): 0.1})
    assert [[month.level for month in year][:3] for year in grid] == [[None, None, None], [4, 0, 1]]
    assert (grid[0][11].level, grid[0][11].share) == (LEVELS, 1.0)
    assert year_grid({}) == []

"""Crons: what the settings take, Dagster takes too."""

import pytest
from dagster._utils.schedules import is_valid_cron_string
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.settings.crons import checked_cron

FIELD = st.text(alphabet="0123456789*/-,", min_size=1, max_size=6)


@pytest.mark.parametrize(
    "cron", ["0 4 * * *", "4-59/5 * * * *", "0 0 1 JAN-mar *", "5/10 0,12 * * sun", "0  0 29 2 *", "0 0 * * 7"]
)
def test_a_cron_is_taken_as_it_is(cron: str) -> None:
    assert checked_cron(cron) == cron
    assert is_valid_cron_string(cron)


@pytest.mark.parametrize(
    "cron",
    ["", "daily", "* * * *", "* * * * * *", "60 * * * *", "*/0 * * * *", "9-4 * * * *", "0 0 30 2 *", "a * * * *"],
)
def test_what_is_no_cron_is_refused(cron: str) -> None:
    with pytest.raises(ValueError, match="must be a cron"):
        checked_cron(cron)


@given(st.lists(FIELD, min_size=5, max_size=5))
def test_whatever_is_taken_dagster_takes(fields: list[str]) -> None:
    cron = " ".join(fields)
    try:
        checked_cron(cron)
    except ValueError:
        return
    assert is_valid_cron_string(cron), cron

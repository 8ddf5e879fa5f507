"""Reports in one file, over the built marts: they have the marts' numbers and load nothing."""

import re
from datetime import date

import pytest

from killreport_assets.base.errors import UserError
from killreport_assets.settings import load_settings
from killreport_assets.web.entities import KINDS
from killreport_assets.web.reports import Reports, entity_of
from killreport_assets_testing.story import Story
from killreport_assets_tests.integration.web.conftest import text_of


def _reports() -> Reports:
    return Reports(load_settings())


def _loads_nothing(page: str) -> bool:
    return not re.findall(r'(?:src|srcset)="(?!data:)|<script|<link|url\(|@import', page)


def test_a_battle(story: Story) -> None:
    battle_id, killmails, members = story.warehouse.rows(
        "select battle_id, killmails, pilots from marts.mart_battles order by killmails desc limit 1"
    )[0]
    with story.warehouse.engine.connect() as connection:
        page = _reports().of_battle(connection, battle_id)
        [(other,)] = story.warehouse.rows(
            f"select max(killmail_id) from marts.fct_battle_killmails where battle_id = {battle_id}"
        )
        assert f"Killmails ? {killmails}" in text_of(_reports().of_battle(connection, other))
        with pytest.raises(UserError, match="belongs to no battle"):
            _reports().of_battle(connection, 1)
    assert f"Pilots {members}" in text_of(page)
    assert _loads_nothing(page)
    assert page.count('class="drawing"') == 1
    assert len(page.encode()) < 1_500_000


def test_an_entity(story: Story) -> None:
    alliance, last = story.warehouse.rows(
        "select alliance_id, last_date from marts.mart_alliance_all_time order by kills desc, 1 limit 1"
    )[0]
    days = 400
    with story.warehouse.engine.connect() as connection:
        page = _reports().of_entity(connection, KINDS["alliance"], alliance, days, last)
        with pytest.raises(UserError, match="its last killmail is of"):
            _reports().of_entity(connection, KINDS["alliance"], alliance, days, date(2005, 1, 1))
        with pytest.raises(UserError, match="no killmail of alliance 1"):
            _reports().of_entity(connection, KINDS["alliance"], 1, days, None)
    [(kills, losses)] = story.warehouse.rows(
        f"select sum(kills), sum(losses) from marts.mart_alliance_daily where alliance_id = {alliance} "
        f"and killmail_date > date '{last}' - {days} and killmail_date <= date '{last}'"
    )
    text = text_of(page)
    assert f"Kills {kills}" in text
    assert f"Losses {losses}" in text
    assert _loads_nothing(page)


@pytest.mark.parametrize("text", ["98000001", "ship:587", "corporation:", "corporation:x", "corporation:" + "9" * 30])
def test_an_entity_that_is_none_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match="written as corporation:98000001"):
        entity_of(text)

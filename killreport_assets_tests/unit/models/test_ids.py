"""Ids and numbers: what dbt's definitions and the package both know is the same."""

import re

from killreport_assets.base.files import project_file
from killreport_assets.models.ids import LAST_NPC_CHARACTER, LAST_NPC_CORPORATION, THE_FORGE, EntityKind
from killreport_assets.store.market import CUSTOMS_OFFICE, CUSTOMS_OFFICE_PARTS, DEEPEST, WINDOW

DBT = project_file("dbt_transforms")


def test_dbts_ids_are_those_of_the_package() -> None:
    macro = (DBT / "macros" / "definitions.sql").read_text()
    ids = {name: int(number) for name, number in re.findall(r"'(\w+)': (\d+),", macro)}
    assert ids["the_forge"] == THE_FORGE
    assert ids["last_npc_character"] == LAST_NPC_CHARACTER
    assert ids["last_npc_corporation"] == LAST_NPC_CORPORATION
    assert ids["customs_office"] == CUSTOMS_OFFICE


def test_dbt_values_killmails_by_what_the_package_marks_days_by() -> None:
    assert f"set window = {WINDOW} " in (DBT / "macros" / "prices.sql").read_text()
    models = DBT / "models" / "intermediate"
    assert f"set deepest = {DEEPEST} " in (models / "int_day_prices.sql").read_text()
    upgrade = re.search(r"values (.*)\) as upgrade", (models / "int_recipes.sql").read_text())
    assert upgrade is not None
    assert tuple(map(int, re.findall(r"\((\d+), \d\)", upgrade[1]))) == CUSTOMS_OFFICE_PARTS


def test_an_entitys_key_is_its_kind_with_id() -> None:
    assert [kind.key for kind in EntityKind] == ["alliance_id", "corporation_id", "character_id", "type_id"]

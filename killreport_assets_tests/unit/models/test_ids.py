"""Ids: what dbt's definitions and the package both know is the same."""

import re

from killreport_assets.base.files import project_file
from killreport_assets.models.ids import LAST_NPC_CHARACTER, LAST_NPC_CORPORATION, THE_FORGE, EntityKind


def test_dbts_ids_are_those_of_the_package() -> None:
    macro = (project_file("dbt_transforms") / "macros" / "definitions.sql").read_text()
    ids = {name: int(number) for name, number in re.findall(r"'(\w+)': (\d+),", macro)}
    assert ids["the_forge"] == THE_FORGE
    assert ids["last_npc_character"] == LAST_NPC_CHARACTER
    assert ids["last_npc_corporation"] == LAST_NPC_CORPORATION


def test_an_entitys_key_is_its_kind_with_id() -> None:
    assert [kind.key for kind in EntityKind] == ["alliance_id", "corporation_id", "character_id", "type_id"]

"""Erasing a character: nothing but its killmails is left, and nothing brings it back."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from sqlalchemy.engine import Engine

from killreport_assets.sandbox.world import BODIES_CHARACTER
from killreport_assets.store.affiliations import CharacterAffiliation, record_affiliations
from killreport_assets.store.entities import upsert
from killreport_assets.store.killmails import write_killmails
from killreport_assets.store.names import EntityName, write_names
from killreport_assets.store.schema import tables
from killreport_assets_testing import genuine
from killreport_assets_testing.command import Command
from killreport_assets_testing.platform import Platform
from killreport_assets_testing.sandbox import Sandbox
from killreport_assets_testing.web_server import Visitor, serving

PILOT = BODIES_CHARACTER
OTHER = PILOT + 1
NAME = "Name of a Pilot"


def _bring(engine: Engine, character_id: int) -> None:
    """Store what sources tell of a character."""
    row = {"character_id": character_id, "name": NAME, "corporation_id": 98_000_001, "gender": "female"}
    with engine.begin() as connection:
        upsert(connection, tables.characters, [row | {"source": "esi"}])
        write_names(connection, [EntityName("character", character_id, NAME)])
        affiliation = CharacterAffiliation(character_id, 98_000_001, None, None)
        record_affiliations(connection, [affiliation], datetime.now(UTC))


def _mentions(platform: Platform) -> list[str]:
    """The tables that have the name, or the character beside killmails and the log."""
    found = []
    for (table,) in platform.rows(
        "select table_schema || '.' || table_name from information_schema.tables "
        "where table_schema in ('raw', 'ops') and table_type = 'BASE TABLE'"
    ):
        if platform.scalar(f"select count(*) from {table} t where strpos(t::text, '{NAME}') > 0"):
            found.append(table)
    return found


def test_an_erased_character_stays_erased(platform: Platform, sandbox: Sandbox, command: Command) -> None:
    write_killmails(platform.engine, genuine.bodies(), "everef")
    killmails = platform.scalar("select count(*) from raw.killmails")
    platform.signed_in(sandbox.grant(PILOT))
    for character_id in (PILOT, OTHER):
        _bring(platform.engine, character_id)
    assert len(_mentions(platform)) == 2
    answer = command("erase", "character", str(PILOT), "--reason", "mail of 1 May", "--yes")
    assert answer.code == 0, answer.stderr
    _bring(platform.engine, PILOT)  # as the next fetch would
    rows = platform.rows(f"select name, corporation_id, gender from raw.characters where character_id = {PILOT}")
    assert rows == [(f"Erased pilot {PILOT}", None, None)]
    assert platform.rows(f"select name from raw.entity_names where entity_id = {PILOT}") == [(None,)]
    for table in ("raw.character_affiliations", "ops.sign_ins", "ops.tokens"):
        assert platform.scalar(f"select count(*) from {table} where character_id = {PILOT}") == 0
    assert platform.rows(f"select name, gender from raw.characters where character_id = {OTHER}") == [(NAME, "female")]
    assert platform.scalar(f"select count(*) from raw.character_affiliations where character_id = {OTHER}") == 1
    assert platform.scalar("select count(*) from raw.killmails") == killmails
    assert "mail of 1 May" in command("erase", "list", "--json").stdout
    # An erasure that was interrupted after its first step is finished by another one.
    platform.execute("delete from ops.erasures")
    _bring(platform.engine, PILOT)
    platform.execute(f"insert into ops.erasures (character_id, reason) values ({PILOT}, 'interrupted')")
    assert command("erase", "character", str(PILOT), "--reason", "again", "--yes").code == 0
    assert platform.rows(f"select name from raw.characters where character_id = {PILOT}") == [
        (f"Erased pilot {PILOT}",)
    ]
    assert "interrupted" in command("erase", "list", "--json").stdout


def test_an_erased_character_cannot_sign_in(platform: Platform, command: Command) -> None:
    assert command("erase", "character", str(PILOT), "--reason", "asked", "--yes").code == 0
    with serving(platform.settings, platform.engine) as url:
        visitor = Visitor(url)
        answer = visitor.come_back(visitor.consent(visitor.begin(), PILOT))
    assert (answer.status_code, "was erased" in answer.text) == (403, True)
    assert platform.scalar("select count(*) from ops.sign_ins") == 0


def test_nothing_is_erased_without_a_yes(platform: Platform, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("n\n"))
    assert command("erase", "character", str(PILOT), "--reason", "asked").code == 1
    assert platform.scalar("select count(*) from ops.erasures") == 0

"""Dead letters: listed, replayed with all their tries, dropped; a death after a replay is seen again."""

from killreport_assets.queues.catalogue import CHARACTERS
from killreport_assets.sandbox.world import BODIES_CHARACTER, IDS_CHARACTER
from killreport_assets.store.killmails import write_killmails
from killreport_assets.workers.dead_letters import drop, list_dead_letters, replay
from killreport_assets.workers.publisher import publish_ids, publish_pending
from killreport_assets_testing import genuine
from killreport_assets_testing.platform import LONG_IDLE, Platform
from killreport_assets_testing.sandbox import Sandbox

POISON = 985810621
"""A victim among the first three genuine killmails."""


def _let_one_die(platform: Platform, sandbox: Sandbox) -> int:
    write_killmails(platform.engine, genuine.bodies(3), "everef")
    sandbox.faults({"path": f"/esi/characters/{POISON}", "kinds": ["500"]})
    publish_pending(platform.engine, platform.broker)
    platform.entities("character", LONG_IDLE)
    letters = list_dead_letters(platform.engine)
    assert [(letter.message_id, letter.queue) for letter in letters] == [(f"character:{POISON}", CHARACTERS.name)]
    return letters[0].id


def test_a_replayed_letter_is_done_and_its_lineage_complete(platform: Platform, sandbox: Sandbox) -> None:
    letter = _let_one_die(platform, sandbox)
    sandbox.faults()
    report = replay(platform.engine, platform.broker, [letter])
    assert (report.replayed, report.refused) == ([letter], {})
    assert replay(platform.engine, platform.broker, [letter]).replayed == []  # once is enough
    assert list_dead_letters(platform.engine) == []
    assert [one.id for one in list_dead_letters(platform.engine, replayed=True)] == [letter]
    assert publish_pending(platform.engine, platform.broker) == 0  # its message is under way already
    assert platform.entities("character").outcomes == {"stored": 1}
    assert platform.scalar(f"select count(*) from ops.entity_pending where entity_id = {POISON}") == 0
    assert platform.rows(f"select distinct outcome from ops.enrichments where entity_id = {POISON}") == [("stored",)]


def test_a_letter_that_dies_again_is_listed_again(platform: Platform, sandbox: Sandbox) -> None:
    letter = _let_one_die(platform, sandbox)
    replay(platform.engine, platform.broker, [letter], urgent=True)
    before = sandbox.statistics()["answers"]["esi 500"]
    report = platform.entities("character", LONG_IDLE)
    assert (report.outcomes["retried"], report.outcomes["dead"]) == (CHARACTERS.max_attempts - 1, 1)
    assert sandbox.statistics()["answers"]["esi 500"] == before + CHARACTERS.max_attempts
    again = list_dead_letters(platform.engine)
    assert [one.id for one in again] == [letter]
    assert platform.rows(f"select distinct outcome from ops.enrichments where entity_id = {POISON}") == [("dead",)]


def test_what_cannot_be_read_cannot_be_replayed_and_says_so(platform: Platform) -> None:
    platform.raw_message(CHARACTERS, '{"schema": 99, "kind": "character", "id": 5}')
    platform.entities("character")
    letter = list_dead_letters(platform.engine)[0]
    report = replay(platform.engine, platform.broker, [letter.id])
    assert report.replayed == []
    assert "schema 99" in report.refused[letter.id]
    assert drop(platform.engine, [letter.id]) == 1
    assert list_dead_letters(platform.engine) == []


def test_letters_are_listed_by_queue_the_latest_first(platform: Platform) -> None:
    for body in ('{"schema": 98}', '{"schema": 99}'):
        platform.raw_message(CHARACTERS, body)
        platform.entities("character")
    errors = [letter.error for letter in list_dead_letters(platform.engine, queue=CHARACTERS.name)]
    assert ["99" in error for error in errors] == [True, False]
    assert list_dead_letters(platform.engine, queue="esi_type_info_queue") == []
    assert len(list_dead_letters(platform.engine, limit=1)) == 1


def test_a_message_that_is_replayed_twice_is_fetched_once(platform: Platform, sandbox: Sandbox) -> None:
    publish_ids(platform.broker, CHARACTERS, [BODIES_CHARACTER, BODIES_CHARACTER, IDS_CHARACTER])
    report = platform.entities("character")
    assert report.received == 3
    assert set(sandbox.statistics()["bodies"].values()) == {1}

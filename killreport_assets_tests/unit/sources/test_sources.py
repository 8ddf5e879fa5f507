"""Reading what sources send: envelopes, list elements, archive members, blocks; good and broken ones."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.models.killmail import InvalidKillmail, check
from killreport_assets.sources.everef import read_member
from killreport_assets.sources.r2z2 import read_entry
from killreport_assets.sources.zkb_block import zkillboard_values
from killreport_assets.sources.zkillboard import Page, read_element
from killreport_assets_testing import genuine

NOW = datetime(2026, 9, 1, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


def test_a_genuine_r2z2_envelope() -> None:
    entry = read_entry(json.loads((genuine.DATA / "r2z2_900001.json").read_text()))
    assert check(entry.body).killmail_id == 435341
    assert entry.values is not None
    assert entry.values["total_value"] == 1234567.89
    assert entry.values["observed_at"] == datetime.fromtimestamp(1769000000, UTC)
    assert entry.values["labels"] == ["pvp", "loss"]
    assert entry.updated_sequence is None


def test_an_envelope_that_names_a_rewritten_entry() -> None:
    envelope = json.loads((genuine.DATA / "r2z2_900001.json").read_text()) | {"sequence_updated": 899_000}
    assert read_entry(envelope).updated_sequence == 899_000


@given(JSON)
def test_a_broken_envelope_goes_to_the_writer_which_rejects_it(envelope: Any) -> None:
    with pytest.raises(InvalidKillmail):
        check(read_entry(envelope).body)


def test_a_genuine_everef_member() -> None:
    body = read_member((genuine.DATA / "everef_archive_member_97089202.json").read_bytes())
    assert check(body).killmail_id == 97089202
    assert body.hash is not None
    assert "http_last_modified" not in body.body


@given(st.binary())
def test_a_broken_member_goes_to_the_writer_which_rejects_it(content: bytes) -> None:
    with pytest.raises(InvalidKillmail):
        check(read_member(content))


def test_both_shapes_of_a_list_element() -> None:
    line = genuine.record(435341)
    block = {"hash": line["killmail_hash"], "totalValue": 5.0}
    page = Page()
    read_element(line["esi"] | {"zkb": block}, page, NOW)
    read_element({"killmail_id": 9, "zkb": block}, page, NOW)
    assert [check(body).killmail_id for body in page.bodies] == [435341]
    assert "zkb" not in page.bodies[0].body
    assert page.hashes == {9: line["killmail_hash"]}
    assert [row["killmail_id"] for row in page.values] == [435341, 9]


@given(JSON)
def test_a_broken_element_is_never_lost_silently(element: Any) -> None:
    page = Page()
    read_element(element, page, NOW)
    assert len(page.bodies) + len(page.hashes) == 1


@given(st.dictionaries(st.sampled_from(["totalValue", "points", "npc", "labels", "hash", "locationID"]), JSON))
def test_a_block_with_wrong_types_gives_nulls(block: dict[str, Any]) -> None:
    row = zkillboard_values(1, block, NOW)
    assert row["total_value"] is None or isinstance(row["total_value"], float)
    assert row["npc"] in {None, True, False}
    assert row["labels"] is None or all(isinstance(label, str) for label in row["labels"])

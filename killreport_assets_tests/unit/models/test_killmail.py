"""What a killmail's body must be: checked on all genuine ones, and on spoilt ones."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.models.killmail import InvalidKillmail, KillmailBody, check
from killreport_assets_testing import genuine


def test_every_genuine_hash_is_computable() -> None:
    for line in genuine.records():
        assert check(KillmailBody(line["esi"], line["killmail_hash"])).killmail_hash == line["killmail_hash"]


def _spoil(body: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    for step in path[:-1]:
        body = body[step]  # type: ignore[index]
    if value is ...:
        del body[path[-1]]  # type: ignore[arg-type]
    else:
        body[path[-1]] = value  # type: ignore[index]


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("killmail_id",), "435341", "killmail_id: Input should be a valid integer"),
        (("attackers", 0, "character_id"), "834178711", "attackers.0.character_id: "),
        (("victim", "ship_type_id"), ..., "victim.ship_type_id: Field required"),
        (("victim", "items", 0, "flag"), None, "victim.items.0.flag"),
        (("killmail_time",), "yesterday", "killmail_time: "),
        (("killmail_time",), "2008-01-06T00:44:00", "killmail_time: "),
        (("solar_system_id",), 2**63, "solar_system_id: "),
        (("solar_system_id",), -1, "solar_system_id: "),
        (("killmail_id",), True, "killmail_id: "),
        (("attackers",), [], "0 have the final blow"),
        (("attackers", 0, "final_blow"), False, "0 have the final blow, exactly one must"),
        (("attackers", 1, "final_blow"), True, "2 have the final blow"),
        (("victim", "ship_type_id"), 645, "killmail_hash: "),
        (("victim", "character_id"), ..., "killmail_hash: "),
        (("killmail_time",), "2008-01-06T00:45:00Z", "killmail_hash: "),
    ],
)
def test_a_spoilt_body_is_refused_with_its_reason(path: tuple[str | int, ...], value: Any, says: str) -> None:
    line = genuine.record(435341)
    _spoil(line["esi"], path, value)
    with pytest.raises(InvalidKillmail) as error:
        check(KillmailBody(line["esi"], line["killmail_hash"]))
    assert says in str(error.value)


@pytest.mark.parametrize("body", [None, [], "text", 7, {}, {"killmail_id": 1}])
def test_what_is_no_killmail_is_refused(body: Any) -> None:
    with pytest.raises(InvalidKillmail):
        check(KillmailBody(body))


def test_the_edited_redisq_payload_is_refused() -> None:
    import json

    payload = json.loads((genuine.DATA / "redisq_payload2.json").read_text())
    with pytest.raises(InvalidKillmail, match="3 have the final blow"):
        check(KillmailBody(payload["package"]["killmail"], payload["package"]["zkb"]["hash"]))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_no_json_raises_anything_else(body: Any) -> None:
    with pytest.raises(InvalidKillmail):
        check(KillmailBody(body, "0" * 40))


def test_a_hash_with_blanks_or_capitals_is_the_same_hash() -> None:
    line = genuine.record(435341)
    assert check(KillmailBody(line["esi"], f" {line['killmail_hash'].upper()} "))

"""Messages, retries and the catalogue."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from killreport_assets.queues.catalogue import BY_KIND, WORK_QUEUES
from killreport_assets.queues.envelope import Cause, Message, UnreadableMessage, decode
from killreport_assets.queues.retry import RetryDelays


@given(
    st.sampled_from(sorted(BY_KIND)), st.integers(1, 2**63 - 1), st.none() | st.text("0123456789abcdef", min_size=40)
)
def test_what_is_encoded_is_decoded(kind: str, id_: int, hash_: str | None) -> None:
    message = Message(kind=kind, id=id_, hash=hash_, cause=Cause(killmail_id=id_, run_id="run"))
    assert decode(message.encode(), kind) == message


def test_a_message_is_the_documented_json() -> None:
    body = json.loads(Message(kind="character", id=7, cause=Cause(killmail_id=1, run_id="r")).encode())
    assert body.pop("requested_at")
    assert body == {"schema": 1, "kind": "character", "id": 7, "cause": {"killmail_id": 1, "run_id": "r"}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xff\xfe", "not JSON"),
        (b'{"schema": 1, "kind": "char', "not JSON"),
        (b"[1]", "a JSON object is expected"),
        (b'{"kind": "character", "id": 7}', "unknown message schema None"),
        (b'{"schema": 2, "kind": "character", "id": 7}', "unknown message schema 2; this version knows 1"),
        (b'{"schema": 1, "kind": "character"}', "id: Field required"),
        (b'{"schema": 1, "kind": "character", "id": "7"}', "id: "),
        (b'{"schema": 1, "kind": "character", "id": 0}', "id: "),
        (b'{"schema": 1, "kind": "type", "id": 7}', "a message of kind 'type' in a queue of 'character'"),
    ],
)
def test_an_unreadable_message_says_why(body: bytes, says: str) -> None:
    with pytest.raises(UnreadableMessage) as error:
        decode(body, "character")
    assert says in str(error.value)


@given(st.binary())
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    with pytest.raises(UnreadableMessage):
        decode(body, "character")


def test_the_catalogue_is_that_of_the_design() -> None:
    assert {queue.name: queue.parallel_fetches for queue in WORK_QUEUES} == {
        "zkillboard_character_queue": 1,
        "esi_user_killmails_queue": 3,
        "esi_corporation_killmails_queue": 3,
        "esi_killmail_queue": 10,
        "esi_alliance_info_queue": 3,
        "esi_alliance_corporations_queue": 5,
        "esi_corporation_info_queue": 5,
        "esi_character_info_queue": 10,
        "esi_type_info_queue": 10,
    }


def test_delays_grow_exponentially_with_jitter() -> None:
    tiers = RetryDelays()
    drawn = [{tiers.after(attempts).total_seconds() for _ in range(100)} for attempts in range(1, 6)]
    assert drawn[:4] == [{5, 6.25, 7.5}, {30, 37.5, 45}, {120, 150, 180}, {600, 750, 900}]
    assert drawn[4] == drawn[3]
    assert {delay.total_seconds() for delay in tiers.delays} == set().union(*drawn)


@given(st.timedeltas(timedelta(0), timedelta(hours=2)))
def test_a_delay_waits_in_the_shortest_tier_that_is_long_enough(delay: timedelta) -> None:
    delays = RetryDelays().delays
    chosen = RetryDelays().fitting(delay)
    assert chosen >= delay or chosen == delays[-1]
    assert all(shorter < delay for shorter in delays if shorter < chosen)


@given(st.lists(st.floats(0.1, 900), min_size=1, max_size=5, unique=True))
def test_every_delay_belongs_to_its_tier(seconds: list[float]) -> None:
    tiers = RetryDelays(tuple(sorted(seconds)))
    assert {tiers.tier_of(delay) for delay in tiers.delays} <= set(tiers.seconds)
    assert tiers.tier_of(timedelta(0)) == tiers.seconds[0]

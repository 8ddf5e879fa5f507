"""Values for JSON and for text: other languages can read all of them."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

import pytest

from killreport_assets.base.plain import JsonText, as_text, plain

CASES = [
    (None, None, ""),
    (True, True, "true"),
    (7, 7, "7"),
    (1.5, 1.5, "1.5"),
    (float("nan"), None, "NaN"),
    (float("inf"), None, "Infinity"),
    (float("-inf"), None, "-Infinity"),
    (Decimal("NaN"), None, "NaN"),
    (Decimal("Infinity"), None, "Infinity"),
    (Decimal("-Infinity"), None, "-Infinity"),
    (Decimal("1000.00"), 1000, "1000"),
    (Decimal("0.10"), 0.1, "0.1"),
    (Decimal("1E+3"), 1000, "1000"),
    (Decimal("12345678901234567890.12"), 12345678901234567890.12, "12345678901234567890.12"),
    (Decimal("1E+400"), "1E+400", "1" + 400 * "0"),
    (datetime(2026, 1, 1, tzinfo=UTC), "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
    (date(2026, 1, 1), "2026-01-01", "2026-01-01"),
    (time(12), "12:00:00", "12:00:00"),
    (b"\x00\xff", "\\x00ff", "\\x00ff"),
    (["a", None, True], ["a", None, True], '["a", null, true]'),
    ([[1, float("nan")]], [[1, None]], "[[1, null]]"),
    ({"a": None, "é": True}, {"a": None, "é": True}, '{"a": null, "é": true}'),
    (JsonText('{"a": null}'), {"a": None}, '{"a": null}'),
    (JsonText('"=1"'), "=1", '"=1"'),
    (JsonText("null"), None, "null"),
    ([JsonText('{"a": 1e2}')], [{"a": 100}], '[{"a": 100}]'),
    (UUID(int=1), str(UUID(int=1)), str(UUID(int=1))),
]


@pytest.mark.parametrize(("value", "as_json", "text"), CASES)
def test_a_value_as_json_and_as_text(value: object, as_json: object, text: str) -> None:
    assert plain(value) == as_json
    json.dumps(plain(value), allow_nan=False)
    assert as_text(value) == text


def test_a_number_of_any_length_is_converted() -> None:
    digits = "9" * 100_000
    for value in (Decimal(digits), JsonText(digits)):
        json.dumps(plain(value), allow_nan=False)
        assert as_text(value) == digits

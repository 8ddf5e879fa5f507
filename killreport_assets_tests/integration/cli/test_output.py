"""Rows as tables, JSON and CSV: every value that PostgreSQL has, and nothing that acts on a reader's machine."""

import csv
import io
import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from killreport_assets_testing.command import Command

VALUES: list[tuple[str, Any, str]] = [
    ("array['victim', null]", ["victim", None], '["victim", null]'),
    ("array[1.5, 'NaN']::float8[]", [1.5, None], "[1.5, null]"),
    ("jsonb_build_object('a', null, 'b', true)", {"a": None, "b": True}, '{"a": null, "b": true}'),
    ("'\"=1\"'::jsonb", "=1", '"=1"'),
    ("'null'::jsonb", None, "null"),
    ("'NaN'::numeric", None, "NaN"),
    ("'Infinity'::numeric", None, "Infinity"),
    ("'-Infinity'::float8", None, "-Infinity"),
    ("-5", -5, "-5"),
    ("1e400::numeric", "1" + 400 * "0", "1" + 400 * "0"),
    ("12345678901234567.89::numeric", 12345678901234567.89, "12345678901234567.89"),
    ("date '0044-03-15 BC'", "0044-03-15 BC", "0044-03-15 BC"),
    ("date '10000-01-01'", "10000-01-01", "10000-01-01"),
    ("timestamptz '-infinity'", "-infinity", "-infinity"),
    ("timestamp '0001-01-01 BC'", "0001-01-01 00:00:00 BC", "0001-01-01 00:00:00 BC"),
    ("array[timestamptz 'infinity']", ["infinity"], '["infinity"]'),
    ("daterange('2026-01-01', 'infinity')", "[2026-01-01, infinity)", "[2026-01-01, infinity)"),
    ("time '24:00'", "24:00:00", "24:00:00"),
    ("interval '-1 year 2 mons'", "-10 mons", "-10 mons"),
    ("'\\x00ff'::bytea", "\\x00ff", "\\x00ff"),
    ("'=cmd()'", "=cmd()", "'=cmd()"),
    ("e'\\t=1'", "\t=1", "'\t=1"),
    ("'@a'", "@a", "'@a"),
    ("true", True, "true"),
    ("timestamptz '2026-01-01 00:00+00'", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00"),
    ("null", None, ""),
]
LISTS = [
    ["dead-letters", "list"],
    ["users", "list"],
    ["follow", "--list"],
    ["pauses", "list"],
    ["repair", "--dry-run"],
    ["settings"],
    ["query"],
    ["sql", "select kind, name from (values ('a', 'b')) as rows (kind, name)"],
]
ERRORS = "select error from ops.dead_letters"
EVIL = "=\x1b[2J:skull: [red]\u202egpj\n|"


def test_every_value_is_printed_in_every_format(platform_command: Command) -> None:
    columns = ", ".join(f"{expression} as c{index}" for index, (expression, _, _) in enumerate(VALUES))
    statement = f"select {columns}"
    printed = platform_command("sql", "--json", statement)
    assert printed.code == 0, printed.stderr
    assert list(json.loads(printed.stdout)[0].values()) == [as_json for _, as_json, _ in VALUES]
    [_, row] = csv.reader(io.StringIO(platform_command("sql", "--csv", statement).stdout))
    assert row == [text for _, _, text in VALUES]
    assert "1 row" in platform_command("sql", statement).stdout


@pytest.mark.parametrize("arguments", LISTS, ids=lambda arguments: arguments[0])
def test_every_list_has_every_format(platform_command: Command, arguments: list[str]) -> None:
    rows = json.loads(platform_command(*arguments, "--json").stdout)
    assert isinstance(rows, list)
    [header, *lines] = csv.reader(io.StringIO(platform_command(*arguments, "--csv").stdout))
    assert (len(lines), all(list(row) == header for row in rows)) == (len(rows), True)
    assert platform_command(*arguments, "--csv", "--json").code == 2


def test_a_name_acts_on_nothing_where_people_read_it(platform_command: Command, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.dead_letters (fingerprint, queue, message_id, body, reason, error, attempts, "
                "first_failed_at) values ('1', 'esi_character_info_queue', :evil, :evil, 'spent', :evil, 8, now())"
            ),
            {"evil": EVIL},
        )
    for arguments in (
        ["dead-letters", "list"],
        ["dead-letters", "show", "1"],
        ["sql", ERRORS],
    ):
        said = platform_command(*arguments)
        assert said.code == 0, said.stderr
        assert [line for line in said.stdout.splitlines() if not line.isprintable()] == []
        assert "\\x1b[2J:skull: [red]\\u202egpj\\n|" in said.stdout
    [letter] = json.loads(platform_command("dead-letters", "list", "--json").stdout)
    assert letter["error"] == EVIL
    [_, row] = csv.reader(io.StringIO(platform_command("dead-letters", "list", "--csv").stdout))
    assert f"'{EVIL}" in row
    refused = platform_command("pauses", "lift", "a\x1b[2Jb")
    assert (refused.code, refused.is_one_line, refused.stderr.strip().isprintable()) == (2, True, True)

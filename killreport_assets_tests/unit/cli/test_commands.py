"""Every command: its numeric options have bounds, and the exit codes are those that are documented."""

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import pytest
import typer

from killreport_assets.base.files import PACKAGE
from killreport_assets.cli.exit_codes import MEANINGS, ExitCode
from killreport_assets.cli.main import app
from killreport_assets_testing.command import Command


def _numbers(group: typer.Typer) -> Iterator[tuple[str, Any]]:
    """The numeric options and arguments of every command, with their names."""
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from _numbers(child.typer_instance)
    for command in group.registered_commands:
        assert command.callback is not None
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            kind, *about = get_args(hint) or (hint,)
            if {int, float} & {kind, *get_args(kind), *(inner for part in get_args(kind) for inner in get_args(part))}:
                yield f"{command.callback.__name__} {name}", about[0]


NUMBERS = [pytest.param(option, id=name) for name, option in _numbers(app)]


def test_there_are_numeric_options() -> None:
    assert len(NUMBERS) > 10


@pytest.mark.parametrize("option", NUMBERS)
def test_a_numeric_option_has_bounds(option: Any) -> None:
    assert option.min is not None
    assert option.max is not None


@pytest.mark.parametrize(
    "arguments",
    [
        ["trace", "killmail"],
        ["dead-letters", "show"],
        ["users", "show"],
        ["users", "interval", "1"],
        ["up", "--tcp"],
        ["dev", "--release-every"],
        ["queue", "types", "--id"],
    ],
)
def test_a_number_of_5000_digits_is_a_usage_error(command: Command, arguments: list[str]) -> None:
    answer = command(*arguments, "9" * 5000)
    assert (answer.code, answer.is_one_line) == (2, True)


def test_a_setting_of_5000_digits_is_named(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KILLREPORT_ESI_MAX_RPS", "9" * 5000)
    answer = command("settings")
    assert (answer.code, answer.is_one_line, "KILLREPORT_ESI_MAX_RPS" in answer.stderr) == (2, True, True)


def test_the_exit_codes_are_in_the_operators_documentation() -> None:
    text = (PACKAGE.parent / "docs" / "operating.md").read_text()
    for code in ExitCode:
        assert f"| {code.value} | {MEANINGS[code]} |" in text

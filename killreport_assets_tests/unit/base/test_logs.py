"""Log lines: a record is one line, and nothing in a name acts on the terminal."""

import logging

import pytest

from killreport_assets.base.logs import LOGGER, configure_logging


@pytest.fixture(autouse=True)
def _own_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger(LOGGER)
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", logger.propagate)


@pytest.mark.parametrize("form", ["text", "json"])
def test_control_characters_are_escaped(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("json" if form == "json" else "text", "INFO")
    logging.getLogger(f"{LOGGER}.test").info("name %s", "a\x1b[2J\u202eb\nc", extra={"other": "d\x9be\n"})
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.strip().isprintable()


def test_a_traceback_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("text", "INFO")
    try:
        int("bad \x1b[2J name")
    except ValueError:
        logging.getLogger(f"{LOGGER}.test").exception("failed")
    lines = capsys.readouterr().err.strip().split("\n")
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)
    assert lines[-1] == "ValueError: invalid literal for int() with base 10: 'bad \\x1b[2J name'"

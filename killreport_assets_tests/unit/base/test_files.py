"""Files that several processes replace, and locks that one holds."""

import multiprocessing
from pathlib import Path

import pytest

from killreport_assets.base.errors import Taken
from killreport_assets.base.files import held_by_one, replace_file

LENGTH = 100_000


def _write_often(file: Path, letter: str) -> None:
    for _ in range(200):
        replace_file(file, letter * LENGTH, mode=0o600)


def test_those_who_write_at_once_leave_one_text_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    replace_file(file, "a" * LENGTH, mode=0o600)
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_often, args=(file, letter)) for letter in "abc"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        text = file.read_text()
        seen.add((len(text), len(set(text))))
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert seen == {(LENGTH, 1)}
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_a_lock_is_held_by_one(tmp_path: Path) -> None:
    with (
        held_by_one(tmp_path / "new" / "lock", "it runs"),
        pytest.raises(Taken, match="it runs"),
        held_by_one(tmp_path / "new" / "lock", "it runs"),
    ):
        pass
    with held_by_one(tmp_path / "new" / "lock", "it runs"):
        pass

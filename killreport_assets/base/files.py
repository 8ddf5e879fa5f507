"""Files: where the project's own are, in a checkout and in a wheel; replacing one, and holding one as a lock."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from killreport_assets.base.errors import Taken

PACKAGE = Path(__file__).parents[1]


def project_file(name: str) -> Path:
    """The path of a file or folder that is next to the package in a checkout, and inside it in a wheel (setup.py)."""
    installed = PACKAGE / name
    return installed if installed.exists() else PACKAGE.parent / name


def replace_file(file: Path, text: str, mode: int = 0o644) -> None:
    """Write a file as a whole: those who read it meanwhile, and those who write it too, see one text or another."""
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as opened:
            opened.write(text)
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


@contextmanager
def held_by_one(lock: Path, otherwise: str) -> Iterator[None]:
    """Hold a lock file; a process that ends releases it.

    Raises:
        Taken: another process holds it; `otherwise` says what to do.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            yield
    except Timeout:
        raise Taken(otherwise) from None

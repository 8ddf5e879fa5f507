"""Paths of the project's own files, in a checkout and in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def project_file(name: str) -> Path:
    """The path of a file or folder that is next to the package in a checkout, and inside it in a wheel (setup.py)."""
    installed = PACKAGE / name
    return installed if installed.exists() else PACKAGE.parent / name

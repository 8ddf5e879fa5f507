"""Where the project's own files are, in a checkout and in an installed wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def project_file(name: str) -> Path:
    """A file or folder that stands beside the package in a checkout, and inside the package in a wheel (setup.py)."""
    installed = PACKAGE / name
    return installed if installed.exists() else PACKAGE.parent / name

"""Where HOME is when KILLREPORT_HOME does not say it. What is in HOME belongs to the rooms that write it."""

import os
import tomllib
from pathlib import Path

NAME = ".killreport"
MODULE = "killreport_assets"


def find_home() -> Path:
    """Find `.killreport` from the working directory upwards: an existing one, or its place in a checkout.

    The search ends at the checkout of this project that holds the working directory. Outside of one, and without an
    existing home, it is in the working directory.
    """
    here = Path.cwd()
    for directory in (here, *here.parents):
        if _is_own_home(directory / NAME) or _is_project(directory):
            return directory / NAME
    return here / NAME


def _is_own_home(path: Path) -> bool:
    """Whether it is a home, and no other user has put it in our way, in a directory like /tmp."""
    try:
        return path.is_dir() and path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _is_project(directory: Path) -> bool:
    try:
        described = tomllib.loads((directory / "pyproject.toml").read_text())
    except (OSError, ValueError):
        return False
    tool = described.get("tool", {})
    return bool(tool.get("dg", {}).get("project", {}).get("root_module") == MODULE)

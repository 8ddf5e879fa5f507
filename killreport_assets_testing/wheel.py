"""The wheel of this tree in a virtual environment of its own, as a user has it: no tree, no tools of the tests.

What the runtime lock names is linked from the tests' environment, which was installed by the same lock's hashes.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from killreport_assets.base.files import PACKAGE

ROOT = PACKAGE.parent
NOT_SOURCE = (".*", "build", "*.egg-info", "__pycache__", "target", "logs")
"""What an earlier build or run has left in the tree must not reach the wheel."""


def install_wheel(folder: Path) -> Path:
    """Build the wheel, install it in a new virtual environment below `folder`, and return the environment."""
    source = shutil.copytree(ROOT, folder / "source", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, symlinks=True)
    locked = [_installed(requirement) for requirement in _runtime_lock()]
    owners = Counter(top for found in locked for top in {file.parts[0] for file in found.files or []})
    for found in locked:
        _link(found, owners, environment)
    pip = [sys.executable, "-P", "-m", "pip", "--python", str(environment / "bin" / "python")]
    outside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (["install", "--quiet", "--no-deps", str(wheel)], ["check"]):
        subprocess.run([*pip, *command], check=True, capture_output=True, cwd=folder, env=outside)
    return environment


def _runtime_lock() -> Iterator[Requirement]:
    for line in (ROOT / "requirements-runtime.lock").read_text().splitlines():
        if line[:1].isalnum():
            locked = Requirement(line.removesuffix("\\"))
            if locked.marker is None or locked.marker.evaluate():
                yield locked


def _installed(locked: Requirement) -> Distribution:
    found = distribution(locked.name)
    if not locked.specifier.contains(found.version, prereleases=True):
        raise LookupError(f"{locked} is locked and {found.version} is installed: `make install`")
    return found


def _link(found: Distribution, owners: Counter[str], environment: Path) -> None:
    """Link modules and folders, file by file where several own a folder; write scripts for the other interpreter."""
    [packages] = environment.glob("lib/python*/site-packages")
    for file in found.files or []:
        if file.parts[:-1] == ("..", "..", "..", "bin"):
            _write_script(Path(str(file.locate())), environment)
        elif ".." not in file.parts:
            linked = Path(file.parts[0]) if owners[file.parts[0]] == 1 else Path(file)
            if not (packages / linked).exists():
                (packages / linked).parent.mkdir(parents=True, exist_ok=True)
                (packages / linked).symlink_to(str(found.locate_file(str(linked))))


def _write_script(source: Path, environment: Path) -> None:
    interpreter, body = source.read_bytes().split(b"\n", 1)
    script = environment / "bin" / source.name
    ours = f"#!{environment}/bin/python".encode() if b"python" in interpreter else interpreter
    script.write_bytes(ours + b"\n" + body)
    script.chmod(0o755)

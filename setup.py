"""Puts what stands beside the package in a checkout into the wheel: the dbt project and Dagster's workspace file."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
BUILT_BY_DBT = ("target", "logs", ".user.yml", "dbt_packages")


class BuildWithProjectFiles(build_py):
    """An editable install has them beside the package."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        package = Path(self.build_lib) / "killreport_assets"
        shutil.copy2(ROOT / "workspace.yaml", package / "workspace.yaml")
        shutil.copytree(
            ROOT / "dbt_transforms",
            package / "dbt_transforms",
            ignore=shutil.ignore_patterns(*BUILT_BY_DBT),
            dirs_exist_ok=True,
        )


setup(cmdclass={"build_py": BuildWithProjectFiles})

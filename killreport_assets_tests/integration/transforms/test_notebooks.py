"""The notebooks of docs/notebooks run from the first cell to the last over the built marts."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from killreport_assets.base.files import PACKAGE
from killreport_assets.database.engine import libpq_url
from killreport_assets_testing.story import Story

NOTEBOOKS = sorted((PACKAGE.parent / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(story: Story, notebook: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KILLREPORT_ANALYST_URL", libpq_url(story.warehouse.engine.url))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    read = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in read.cells), "outputs are of one moment: clear them"
    NotebookClient(read, timeout=600, kernel_name="python3").execute()
    shown = [output for cell in read.cells if cell.cell_type == "code" for output in cell.outputs]
    assert len(shown) >= 3

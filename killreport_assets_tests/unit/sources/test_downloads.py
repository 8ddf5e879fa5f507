"""Downloaded files, of which several threads and processes make use."""

import threading
from pathlib import Path
from typing import Any, cast

from killreport_assets.sources.downloads import PART, Downloads

LOOKS = 3_000


def test_what_another_thread_completes_meanwhile_disturbs_no_clearing_up(tmp_path: Path) -> None:
    downloads, ending = Downloads(cast(Any, None), tmp_path, limit_mib=1), threading.Event()

    def complete() -> None:
        while not ending.is_set():
            part = tmp_path / f"archive{PART}"
            part.touch()
            part.replace(tmp_path / "archive")

    completing = threading.Thread(target=complete, daemon=True)
    completing.start()
    try:
        for _ in range(LOOKS):
            downloads.release(tmp_path / "another")
    finally:
        ending.set()
        completing.join()

"""A process that ends with its parent, even when the parent is killed.

`python -m killreport_assets.base.child PARENT MODULE [ARGUMENT …]` runs a module, whosever it is, in such a process. It
leads a process group of its own (its parent starts it with `start_new_session`), and the whole group ends. Starting
processes and restarting them is in orchestration/supervisor.py.
"""

import os
import runpy
import signal
import sys
import threading
import time

CHECK_SECONDS = 1.0
STOP_SECONDS = 10.0


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in a process that ends with this one."""
    return [sys.executable, "-m", "killreport_assets.base.child", str(os.getpid()), module, *arguments]


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(CHECK_SECONDS)
    os.killpg(0, signal.SIGTERM)
    time.sleep(STOP_SECONDS)  # this thread ends with its process: what follows is for one that hangs
    os.killpg(0, signal.SIGKILL)


def _main() -> None:
    _, parent, module, *arguments = sys.argv
    threading.Thread(target=_end_with, args=[int(parent)], daemon=True, name="end-with-parent").start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _main()

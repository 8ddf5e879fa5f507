"""Processes that write archives for this one: unpacking and decoding keep Python busy, and threads would wait for it.

`python -m killreport_assets.ingest.archive_process DESCRIPTOR` is such a process. Those of multiprocessing would import
the main module again, and that of a Dagster run begins the run when it is imported.
"""

import subprocess
import sys
from datetime import date
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import LifoQueue

from sqlalchemy.engine import URL

from killreport_assets.base.child import command
from killreport_assets.base.errors import UserError
from killreport_assets.ingest.archives import DayReport, write_archive
from killreport_assets.settings import Settings

MODULE = "killreport_assets.ingest.archive_process"


class _ArchiveProcess:
    """A process, started when needed, that writes one archive at a time; it ends with this one, but not by Ctrl-C."""

    def __init__(self) -> None:
        self._connection, self._theirs = Pipe()
        self._process: subprocess.Popen[bytes] | None = None

    def _start(self) -> None:
        with self._theirs as theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                command(MODULE, str(descriptor)), pass_fds=[descriptor], start_new_session=True
            )

    def write(self, settings: Settings, database: URL, day: date, etag: str, archive: Path) -> DayReport:
        if self._process is None:
            self._start()
        try:
            self._connection.send((settings, database, day, etag, archive))
            answer = self._connection.recv()
        except (EOFError, OSError):
            raise UserError(f"the process that wrote {day} has ended; the same command goes on") from None
        if isinstance(answer, BaseException):
            raise answer
        report: DayReport = answer
        return report

    def terminate(self) -> None:
        """Break off what it writes, which is undone."""
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        self._connection.close()
        self._theirs.close()
        if self._process is not None:
            self._process.wait()


class ArchiveProcesses:
    """So many processes, shared by threads; with 0 the thread itself writes."""

    def __init__(self, count: int) -> None:
        self._all = [_ArchiveProcess() for _ in range(count)]
        self._free = LifoQueue[_ArchiveProcess]()  # the one that has been started, if it is free
        for process in self._all:
            self._free.put(process)

    def __enter__(self) -> "ArchiveProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.close()

    def write(self, settings: Settings, database: URL, day: date, etag: str, archive: Path) -> DayReport:
        """Write an archive in the next process that is free; see `write_archive`."""
        if not self._all:
            return write_archive(settings, database, day, etag, archive)
        process = self._free.get()
        try:
            return process.write(settings, database, day, etag, archive)
        finally:
            self._free.put(process)

    def terminate(self) -> None:
        """Break off what is being written; the days are undone."""
        for process in self._all:
            process.terminate()


def _serve(connection: "Connection[object, object]") -> None:
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        try:
            connection.send(write_archive(*job))  # type: ignore[misc]
        except Exception as error:
            connection.send(error)


if __name__ == "__main__":
    _serve(Connection(int(sys.argv[1])))

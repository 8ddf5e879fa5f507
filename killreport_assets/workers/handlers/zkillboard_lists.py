"""The work of `zkillboard_character_queue`: list a character's killmails on zKillboard.

Whole bodies are in hand: each page is written at once. Ids with hashes that we lack become pending for
`esi_killmail_queue`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection, Engine

from killreport_assets.http.errors import Gone, ServiceError
from killreport_assets.queues.catalogue import KILLMAILS, ZKILLBOARD_CHARACTERS, WorkQueue
from killreport_assets.sources.zkillboard import Page, Zkillboard
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.lineage import end_pending, request
from killreport_assets.store.schema import tables
from killreport_assets.store.stored_killmails import known_killmails, write_zkillboard_values
from killreport_assets.store.syncs import COMPLETE, CUT_SHORT, recently_synced
from killreport_assets.workers.handler import FRESH, DrainReport, Task

CACHE = timedelta(hours=1)
"""zKillboard's lists are cached that long: asking sooner tells nothing new."""


@dataclass
class Sync:
    """What came of listing one character."""

    started_at: datetime
    seconds: float = 0.0
    pages: int = 0
    listed: int = 0
    values: int = 0
    known: int = 0
    unknown: dict[int, str] = field(default_factory=dict)
    written: WriteReport = field(default_factory=WriteReport)


class ZkillboardCharacterWork:
    """Each listing is a row in `ops.syncs`."""

    def __init__(self, zkillboard: Zkillboard, engine: Engine) -> None:
        self._zkillboard = zkillboard
        self._engine = engine

    @property
    def queue(self) -> WorkQueue:
        return ZKILLBOARD_CHARACTERS

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        fresh = recently_synced(connection, "zkillboard", [_subject(task)["subject"] for task in tasks], CACHE)
        return {task.message.message_id: FRESH for task in tasks if _subject(task)["subject"] in fresh}

    def fetch(self, task: Task, known: Any) -> Any:
        clock, sync = time.monotonic(), Sync(datetime.now(UTC))
        try:
            for page in self._zkillboard.character_pages(task.message.id):
                self._write_page(page, sync)
        except ServiceError as error:
            sync.seconds = time.monotonic() - clock
            with self._engine.begin() as connection:
                failed = self._row(task, sync, None) | {"outcome": type(error).__name__.lower()}
                connection.execute(tables.syncs.insert().values(failed))
            raise
        sync.seconds = time.monotonic() - clock
        return sync

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> None:
        for task, sync in results:
            if sync is FRESH or isinstance(sync, Gone):
                report.outcomes["fresh" if sync is FRESH else "gone"] += 1
                continue
            report.outcomes["stored"] += 1
            self._count(task, sync, report)
            report.rows["syncs"] += 1
            connection.execute(tables.syncs.insert().values(self._row(task, sync, run_id)))
            report.requested += request(
                connection, KILLMAILS.kind, list(sync.unknown), hashes=sync.unknown, urgent=task.delivery.urgent
            )
        end_pending(connection, self.queue.kind, [task.message.id for task, _ in results])

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        end_pending(connection, self.queue.kind, [task.message.id for task in dead])  # the next schedule asks again
        connection.execute(
            tables.syncs.insert(),
            [{**_subject(task), "started_at": datetime.now(UTC), "outcome": "dead", "run_id": run_id} for task in dead],
        )

    def _write_page(self, page: Page, sync: Sync) -> None:
        sync.written.add(write_killmails(self._engine, page.bodies, "zkillboard"))
        with self._engine.begin() as connection:
            write_zkillboard_values(connection, page.values)
            stored = known_killmails(connection, list(page.hashes))
        sync.unknown |= {id_: hash_ for id_, hash_ in page.hashes.items() if id_ not in stored}
        sync.known += len(stored)
        sync.listed += len(page.bodies) + len(page.hashes)
        sync.values += len(page.values)
        sync.pages += 1

    def _row(self, task: Task, sync: Sync, run_id: str | None) -> dict[str, Any]:
        complete = sync.pages < self._zkillboard.max_pages
        return _subject(task) | {
            "started_at": sync.started_at,
            "seconds": sync.seconds,
            "run_id": run_id,
            "listed": sync.listed,
            "stored": len(sync.written.stored),
            "queued": len(sync.unknown),
            "skipped": len(sync.written.already_there) + sync.known,
            "outcome": COMPLETE if complete else CUT_SHORT,
        }

    def _count(self, task: Task, sync: Sync, report: DrainReport) -> None:
        report.rows["killmails"] += len(sync.written.stored)
        report.rows["killmail_attackers"] += sync.written.attackers
        report.rows["killmail_items"] += sync.written.items
        report.rows["zkillboard_values"] += sync.values
        for killmail_id in sync.written.stored:
            report.saw_killmail(killmail_id)
        report.sample.append(
            {
                "character_id": task.message.id,
                "pages": sync.pages,
                "listed": sync.listed,
                "stored": len(sync.written.stored),
                "queued": len(sync.unknown),
                "rejected": len(sync.written.rejected),
            }
        )


def _subject(task: Task) -> dict[str, Any]:
    return {"source": "zkillboard", "subject": f"character:{task.message.id}"}

"""The work of `esi_alliance_corporations_queue`: list an alliance's corporations, ask for the unknown ones."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import Connection

from killreport_assets.esi import routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone
from killreport_assets.queues.catalogue import ALLIANCE_CORPORATIONS, ALLIANCES, CORPORATIONS, WorkQueue
from killreport_assets.store.alliances import recently_listed, write_alliance_corporations
from killreport_assets.store.entities import mark_gone
from killreport_assets.store.lineage import end_pending, request
from killreport_assets.store.wanted import missing
from killreport_assets.workers.handler import FRESH, SAMPLE_ROWS, DrainReport, Task

CACHE = timedelta(hours=1)
"""How long ESI caches these lists."""


class AllianceCorporationsWork:
    """An alliance without corporations is closed."""

    def __init__(self, client: EsiClient) -> None:
        self._client = client

    @property
    def queue(self) -> WorkQueue:
        return ALLIANCE_CORPORATIONS

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        fresh = recently_listed(connection, [task.message.id for task in tasks], CACHE)
        return {task.message.message_id: FRESH for task in tasks if task.message.id in fresh}

    def fetch(self, task: Task, known: Any) -> Any:
        return self._client.ids(routes.ALLIANCE_CORPORATIONS, {"alliance_id": task.message.id})

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> None:
        lists: dict[int, list[int]] = {}
        gone = []
        for task, result in results:
            outcome = "fresh" if result is FRESH else "gone" if isinstance(result, Gone) else "stored"
            report.outcomes[outcome] += 1
            if isinstance(result, Gone):
                gone.append(task.message.id)
            elif result is not FRESH:
                lists[task.message.id] = result
                if len(report.sample) < SAMPLE_ROWS:
                    report.sample.append({"alliance_id": task.message.id, "corporations": len(result)})
        mark_gone(connection, ALLIANCES.kind, gone)
        write_alliance_corporations(connection, lists)
        report.rows["alliance_corporations"] += sum(map(len, lists.values()))
        listed = sorted({corporation for corporations in lists.values() for corporation in corporations})
        report.requested += request(connection, CORPORATIONS.kind, missing(connection, CORPORATIONS.kind, listed))
        end_pending(connection, self.queue.kind, [task.message.id for task, _ in results])

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        end_pending(connection, self.queue.kind, [task.message.id for task in dead])  # the next schedule asks again

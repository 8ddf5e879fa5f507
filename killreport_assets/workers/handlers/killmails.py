"""The work of `esi_killmail_queue`: fetch one killmail by id and hash."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Connection

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone, InvalidHash
from killreport_assets.models.killmail import KillmailBody
from killreport_assets.queues.catalogue import KILLMAILS, WorkQueue
from killreport_assets.store.killmails import write_killmails_in
from killreport_assets.store.lineage import bury_pending, end_pending
from killreport_assets.store.stored_killmails import known_killmails
from killreport_assets.workers.handler import FRESH, DrainReport, Task


class KillmailWork:
    """Killmails are immutable: one that is stored is never fetched again."""

    def __init__(self, client: EsiClient) -> None:
        self._client = client

    @property
    def queue(self) -> WorkQueue:
        return KILLMAILS

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        stored = known_killmails(connection, [task.message.id for task in tasks])
        return {task.message.message_id: FRESH for task in tasks if task.message.id in stored}

    def fetch(self, task: Task, known: Any) -> Any:
        if task.message.hash is None:
            raise InvalidHash(f"killmail {task.message.id}: the message has no hash")
        return self._client.killmail(task.message.id, task.message.hash)

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> None:
        bodies = [
            KillmailBody(body, task.message.hash)
            for task, body in results
            if body is not FRESH and not isinstance(body, Gone)
        ]
        written = write_killmails_in(connection, bodies, "esi")
        report.outcomes["fresh"] += len(results) - len(bodies) + len(written.already_there)
        report.outcomes["stored"] += len(written.stored)
        report.outcomes["rejected"] += len(written.rejected)
        report.rows["killmails"] += len(written.stored)
        report.rows["killmail_attackers"] += written.attackers
        report.rows["killmail_items"] += written.items
        for killmail_id in written.stored:
            report.saw_killmail(killmail_id)
            report.sample.append(
                {
                    "killmail_id": killmail_id,
                    "zkillboard": f"https://zkillboard.com/kill/{killmail_id}/",
                }
            )
        for rejected_id, reason in written.rejected:
            report.note_error(f"killmail {rejected_id} rejected: {reason}")
        end_pending(connection, self.queue.kind, [task.message.id for task, _ in results])

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        bury_pending(connection, self.queue.kind, [task.message.id for task in dead])

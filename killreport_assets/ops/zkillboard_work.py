"""The work of `zkillboard_character_queue`: list a character's killmails on zKillboard.

Whole bodies go to the writer at once; ids with hashes that we lack go to `esi_killmail_queue`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from killreport_assets.esi.errors import Gone
from killreport_assets.ops.publish import killmail_messages
from killreport_assets.ops.work import DrainReport, FollowUp, Task
from killreport_assets.queues.catalogue import KILLMAILS, ZKILLBOARD_CHARACTERS, WorkQueue
from killreport_assets.sources.zkillboard import Listing, Zkillboard
from killreport_assets.store import tables
from killreport_assets.store.entities import known_killmails, write_zkillboard_values
from killreport_assets.store.killmails import write_killmails_in


@dataclass(frozen=True)
class _TimedListing:
    listing: Listing
    started_at: datetime
    seconds: float


class ZkillboardCharacterWork:
    """Each listing is a row in `ops.syncs`."""

    def __init__(self, zkillboard: Zkillboard) -> None:
        self._zkillboard = zkillboard

    @property
    def queue(self) -> WorkQueue:
        return ZKILLBOARD_CHARACTERS

    def plan(self, connection: Connection, tasks: Sequence[Task]) -> dict[str, Any]:
        return {}

    def fetch(self, task: Task, known: Any) -> Any:
        started, clock = datetime.now(UTC), time.monotonic()
        listing = self._zkillboard.character_killmails(task.message.id)
        return _TimedListing(listing, started, time.monotonic() - clock)

    def store(
        self, connection: Connection, results: Sequence[tuple[Task, Any]], report: DrainReport, run_id: str | None
    ) -> list[FollowUp]:
        follow_ups: list[FollowUp] = []
        for task, result in results:
            if isinstance(result, Gone):
                report.outcomes["gone"] += 1
                continue
            if unknown := self._store_listing(connection, task, result, report, run_id):
                follow_ups.append((KILLMAILS, killmail_messages(unknown, run_id)))
            report.outcomes["stored"] += 1
        return follow_ups

    def bury(self, connection: Connection, dead: Sequence[Task], run_id: str | None) -> None:
        connection.execute(tables.syncs.insert(), [
            _sync(task, datetime.now(UTC), run_id) | {"outcome": "dead"} for task in dead
        ])  # fmt: skip

    def _store_listing(
        self, connection: Connection, task: Task, timed: _TimedListing, report: DrainReport, run_id: str | None
    ) -> dict[int, str]:
        """Write a listing; returns the killmails of which we have only the hash."""
        listing = timed.listing
        written = write_killmails_in(connection, listing.bodies, "zkillboard", run_id)
        write_zkillboard_values(connection, listing.values)
        stored = known_killmails(connection, list(listing.hashes))
        unknown = {id_: hash_ for id_, hash_ in listing.hashes.items() if id_ not in stored}
        report.rows["killmails"] += len(written.stored)
        report.rows["killmail_attackers"] += written.attackers
        report.rows["killmail_items"] += written.items
        report.rows["zkillboard_values"] += len(listing.values)
        for killmail_id in written.stored:
            report.saw_killmail(killmail_id)
        report.sample.append({
            "character_id": task.message.id, "pages": listing.pages, "listed": len(listing.values),
            "stored": len(written.stored), "queued": len(unknown), "rejected": len(written.rejected),
        })  # fmt: skip
        connection.execute(
            tables.syncs.insert().values(
                **_sync(task, timed.started_at, run_id),
                seconds=timed.seconds,
                listed=len(listing.bodies) + len(listing.hashes),
                stored=len(written.stored),
                queued=len(unknown),
                skipped=len(written.already_there) + len(stored),
                outcome="complete" if listing.complete else "more than the pages allowed",
            )
        )
        return unknown


def _sync(task: Task, started_at: datetime, run_id: str | None) -> dict[str, Any]:
    return {
        "source": "zkillboard", "subject": f"character:{task.message.id}", "started_at": started_at, "run_id": run_id,
    }  # fmt: skip

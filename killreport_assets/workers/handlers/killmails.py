"""The handler of `esi_killmail_queue`: fetch one killmail by id and hash."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import InvalidHash
from killreport_assets.models.ids import zkillboard_url
from killreport_assets.models.killmail import KillmailBody, is_killmail_hash
from killreport_assets.queues.catalogue import (
    CORPORATION_KILLMAILS,
    KILLMAILS,
    USER_KILLMAILS,
    ZKILLBOARD_CHARACTERS,
    WorkQueue,
)
from killreport_assets.store.announcements import announce
from killreport_assets.store.killmails import WriteReport, write_killmails_in
from killreport_assets.store.stored_killmails import known_killmails
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage
from killreport_assets.workers.registry import Registration, register

Body = dict[str, Any]


class KillmailHandler(Handler[None, Body]):
    """Killmails are immutable: a stored one is never fetched again."""

    def __init__(self, client: EsiClient) -> None:
        self._client = client

    @property
    def queue(self) -> WorkQueue:
        return KILLMAILS

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, Outcome]:
        stored = known_killmails(connection, [received.id for received in messages])
        return {received.message.message_id: Outcome.UNCHANGED for received in messages if received.id in stored}

    def fetch(self, message: ReceivedMessage, plan: None) -> Body:
        if not is_killmail_hash(message.message.hash):
            raise InvalidHash(f"killmail {message.id}: the message has no hash of 40 hex digits")
        return self._client.killmail(message.id, message.message.hash)

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Body]], run_id: str | None
    ) -> BatchReport:
        bodies = [KillmailBody(body, received.message.hash) for received, body in fetched]
        written = write_killmails_in(connection, bodies, "esi")
        announce(connection, written.stored)
        report = BatchReport(_outcomes([received.id for received, _ in fetched], written))
        count_written(report, written)
        report.sample = [
            {"killmail_id": killmail_id, "zkillboard": zkillboard_url(killmail_id)} for killmail_id in written.stored
        ]
        return report


def _outcomes(killmail_ids: Sequence[int], written: WriteReport) -> list[Outcome]:
    """Return an outcome for each message; a copy of a message whose killmail this batch stored is unchanged."""
    stored, present = set(written.stored), {*written.stored, *written.already_there}
    outcomes = []
    for killmail_id in killmail_ids:
        if killmail_id in stored:
            stored.discard(killmail_id)
            outcomes.append(Outcome.STORED)
        else:
            outcomes.append(Outcome.UNCHANGED if killmail_id in present else Outcome.REJECTED)
    return outcomes


def count_written(report: BatchReport, written: WriteReport) -> None:
    """Count the rows of killmails that a batch wrote, and list the killmails that were rejected."""
    report.rows["killmails"] += len(written.stored)
    report.rows["killmail_attackers"] += written.attackers
    report.rows["killmail_items"] += written.items
    report.killmail_ids += written.stored
    report.errors += [f"killmail {killmail_id} rejected: {reason}" for killmail_id, reason in written.rejected]


register(
    Registration(
        KILLMAILS,
        lambda context: KillmailHandler(context.esi),
        upstream=tuple(f"queue/{q.name}" for q in (ZKILLBOARD_CHARACTERS, USER_KILLMAILS, CORPORATION_KILLMAILS)),
    )
)

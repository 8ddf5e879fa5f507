"""The handler of `zkillboard_character_queue`: list a character's killmails on zKillboard.

Pages contain whole bodies, which are written at once. Killmails that are listed by id and hash only and are not stored
become pending for `esi_killmail_queue`.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import ServiceError
from killreport_assets.queues.catalogue import KILLMAILS, ZKILLBOARD_CHARACTERS, WorkQueue
from killreport_assets.sources.zkillboard import Page, Zkillboard
from killreport_assets.store.followed import characters_to_list
from killreport_assets.store.killmails import WriteReport, write_killmails
from killreport_assets.store.lineage import request
from killreport_assets.store.schema import tables
from killreport_assets.store.stored_killmails import known_killmails, write_zkillboard_values
from killreport_assets.store.syncs import COMPLETE, CUT_SHORT, recently_synced
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage
from killreport_assets.workers.handlers.killmails import count_written
from killreport_assets.workers.producers import Producer
from killreport_assets.workers.registry import Registration, register

LIST_CACHED_FOR = timedelta(hours=1)
"""How long zKillboard caches its lists: earlier requests return nothing new."""
SYNC_SOURCE = "zkillboard"


@dataclass
class Sync:
    """The result of listing one character."""

    started_at: datetime
    seconds: float = 0.0
    pages: int = 0
    listed: int = 0
    values: int = 0
    known: int = 0
    unknown: dict[int, str] = field(default_factory=dict)
    """Hashes of killmails that are not stored, by id."""
    written: WriteReport = field(default_factory=WriteReport)


class ZkillboardCharacterHandler(Handler[None, Sync]):
    """Each listing is a row in `ops.syncs`."""

    def __init__(self, zkillboard: Zkillboard, engine: Engine) -> None:
        self._zkillboard = zkillboard
        self._engine = engine

    @property
    def queue(self) -> WorkQueue:
        return ZKILLBOARD_CHARACTERS

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, Outcome]:
        subjects = {received.message.message_id: _subject(received) for received in messages}
        listed = recently_synced(connection, SYNC_SOURCE, list(subjects.values()), LIST_CACHED_FOR)
        return {message_id: Outcome.UNCHANGED for message_id, subject in subjects.items() if subject in listed}

    def fetch(self, message: ReceivedMessage, plan: None) -> Sync:
        clock, sync = time.monotonic(), Sync(datetime.now(UTC))
        try:
            for page in self._zkillboard.character_pages(message.id):
                self._write_page(page, sync)
        except ServiceError as error:
            sync.seconds = time.monotonic() - clock
            with self._engine.begin() as connection:
                self._note(connection, message, sync, type(error).__name__.lower(), None)
            raise
        sync.seconds = time.monotonic() - clock
        return sync

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Sync]], run_id: str | None
    ) -> BatchReport:
        report = BatchReport([Outcome.STORED] * len(fetched))
        for received, sync in fetched:
            is_complete = sync.pages < self._zkillboard.max_pages
            self._note(connection, received, sync, COMPLETE if is_complete else CUT_SHORT, run_id)
            report.requested += request(
                connection,
                KILLMAILS.kind,
                list(sync.unknown),
                hashes=sync.unknown,
                urgent=received.delivery.urgent,
            )
            count_written(report, sync.written)
            report.rows["zkillboard_values"] += sync.values
            report.rows["syncs"] += 1
            report.sample.append(
                {
                    "character_id": received.id,
                    "pages": sync.pages,
                    "listed": sync.listed,
                    "stored": len(sync.written.stored),
                    "queued": len(sync.unknown),
                    "rejected": len(sync.written.rejected),
                }
            )
        return report

    def on_dead_letter(self, connection: Connection, dead: Sequence[ReceivedMessage], run_id: str | None) -> None:
        connection.execute(
            sa.insert(tables.syncs),
            [
                {
                    "source": SYNC_SOURCE,
                    "subject": _subject(received),
                    "started_at": datetime.now(UTC),
                    "outcome": Outcome.DEAD.value,
                    "run_id": run_id,
                }
                for received in dead
            ],
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

    def _note(
        self, connection: Connection, received: ReceivedMessage, sync: Sync, outcome: str, run_id: str | None
    ) -> None:
        connection.execute(
            sa.insert(tables.syncs).values(
                source=SYNC_SOURCE,
                subject=_subject(received),
                started_at=sync.started_at,
                seconds=sync.seconds,
                run_id=run_id,
                listed=sync.listed,
                stored=len(sync.written.stored),
                queued=len(sync.unknown),
                skipped=len(sync.written.already_there) + sync.known,
                outcome=outcome,
            )
        )


def _subject(received: ReceivedMessage) -> str:
    return f"character:{received.id}"


def _find(engine: Engine, _esi: EsiClient, _ttl: timedelta) -> Sequence[int]:
    with engine.connect() as connection:
        return characters_to_list(connection, LIST_CACHED_FOR)


register(
    Registration(
        ZKILLBOARD_CHARACTERS,
        lambda context: ZkillboardCharacterHandler(context.zkillboard, context.engine),
        upstream=("zkillboard/lists",),
        producer=Producer(
            "character_killmails", ZKILLBOARD_CHARACTERS, "the zKillboard lists of followed characters", _find
        ),
    )
)

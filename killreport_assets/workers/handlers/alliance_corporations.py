"""The handler of `esi_alliance_corporations_queue`: list an alliance's corporations, request the unknown ones."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy.engine import Connection, Engine

from killreport_assets.esi import routes
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.errors import Gone
from killreport_assets.models.ids import EntityKind
from killreport_assets.queues.catalogue import ALLIANCE_CORPORATIONS, CORPORATIONS, WorkQueue
from killreport_assets.store.alliances import open_alliances, recently_listed, write_alliance_corporations
from killreport_assets.store.entities import mark_gone
from killreport_assets.store.lineage import request
from killreport_assets.store.wanted import missing
from killreport_assets.workers.handler import BatchReport, Handler, Outcome, ReceivedMessage
from killreport_assets.workers.producers import Producer
from killreport_assets.workers.registry import Registration, register

LIST_CACHED_FOR = timedelta(hours=1)
"""How long ESI caches these lists."""
Listed = list[int] | Gone


class AllianceCorporationsHandler(Handler[None, Listed]):
    """An alliance without corporations is closed."""

    def __init__(self, client: EsiClient) -> None:
        self._client = client

    @property
    def queue(self) -> WorkQueue:
        return ALLIANCE_CORPORATIONS

    def plan(self, connection: Connection, messages: Sequence[ReceivedMessage]) -> Mapping[str, Outcome]:
        listed = recently_listed(connection, [received.id for received in messages], LIST_CACHED_FOR)
        return {received.message.message_id: Outcome.UNCHANGED for received in messages if received.id in listed}

    def fetch(self, message: ReceivedMessage, plan: None) -> Listed:
        try:
            return self._client.ids(routes.ALLIANCE_CORPORATIONS, {"alliance_id": message.id})
        except Gone as gone:
            return gone

    def store(
        self, connection: Connection, fetched: Sequence[tuple[ReceivedMessage, Listed]], run_id: str | None
    ) -> BatchReport:
        lists = {received.id: listed for received, listed in fetched if not isinstance(listed, Gone)}
        mark_gone(connection, EntityKind.ALLIANCE, [received.id for received, _ in fetched if received.id not in lists])
        write_alliance_corporations(connection, lists)
        listed = sorted({corporation for corporations in lists.values() for corporation in corporations})
        report = BatchReport([Outcome.STORED if received.id in lists else Outcome.GONE for received, _ in fetched])
        report.rows["alliance_corporations"] += sum(map(len, lists.values()))
        report.requested = request(connection, CORPORATIONS.kind, missing(connection, EntityKind.CORPORATION, listed))
        report.sample = [
            {"alliance_id": alliance, "corporations": len(corporations)} for alliance, corporations in lists.items()
        ]
        return report


def _find(engine: Engine, _esi: EsiClient, _ttl: timedelta) -> Sequence[int]:
    with engine.connect() as connection:
        return open_alliances(connection)


register(
    Registration(
        ALLIANCE_CORPORATIONS,
        lambda context: AllianceCorporationsHandler(context.esi),
        upstream=("raw/alliances",),
        producer=Producer(
            "alliance_corporations", ALLIANCE_CORPORATIONS, "every known alliance that is not closed", _find
        ),
    )
)

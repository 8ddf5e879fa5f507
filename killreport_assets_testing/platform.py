"""The platform without Dagster, for tests: a database, a broker, an ESI client, and workers by queue."""

from datetime import timedelta
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import Engine

from killreport_assets.esi.client import EsiClient
from killreport_assets.models.ids import EntityKind
from killreport_assets.queues.broker import WorkBroker, WorkerLimits
from killreport_assets.queues.catalogue import WorkQueue
from killreport_assets.queues.pgmq import PgmqBroker
from killreport_assets.queues.retry import RetryDelays
from killreport_assets.settings import Settings
from killreport_assets.users.grants import Grant
from killreport_assets.users.handlers.killmail_lists import CorporationKillmailsHandler, UserKillmailsHandler
from killreport_assets.users.killmail_lists import Intervals, intervals
from killreport_assets.users.store import User, get_user, sign_in
from killreport_assets.users.syncs import Queued, queue_due
from killreport_assets.users.tokens import TokenKeeper, token_keeper
from killreport_assets.users.vault import Vault
from killreport_assets.workers.handler import Handler
from killreport_assets.workers.handlers.alliance_corporations import AllianceCorporationsHandler
from killreport_assets.workers.handlers.entities import EntityHandler
from killreport_assets.workers.handlers.killmails import KillmailHandler
from killreport_assets.workers.producers import Produced
from killreport_assets.workers.registry import producer
from killreport_assets.workers.report import WorkerReport
from killreport_assets.workers.worker import run_worker
from killreport_assets_testing.waiting import wait_until

QUICK = WorkerLimits(idle_seconds=0.3)
LONG_IDLE = WorkerLimits(idle_seconds=4.0)
TIERS = RetryDelays((0.2, 0.4))
WEEK = timedelta(days=7)


class Platform:
    """Everything that a worker needs; `broker` is PGMQ unless another is given."""

    def __init__(self, settings: Settings, engine: Engine, broker: WorkBroker | None = None) -> None:
        self.settings, self.engine = settings, engine
        self.broker = broker or PgmqBroker(engine, TIERS, timedelta(seconds=2))
        self.esi = EsiClient(settings, engine)

    def entities(self, kind: str, limits: WorkerLimits = QUICK, **options: Any) -> WorkerReport:
        """Run a worker of the info queue of a kind."""
        return self.work(EntityHandler(EntityKind(kind), self.esi, 7), limits, **options)

    def killmails(self, limits: WorkerLimits = QUICK) -> WorkerReport:
        """Run a worker of the killmail queue."""
        return self.work(KillmailHandler(self.esi), limits)

    @cached_property
    def keeper(self) -> TokenKeeper:
        """Provides users' access tokens."""
        return token_keeper(self.settings, self.engine)

    @property
    def intervals(self) -> Intervals:
        """The tiers' intervals."""
        return intervals(self.settings)

    def user_killmails(self, limits: WorkerLimits = QUICK, **options: Any) -> WorkerReport:
        """Run a worker of the queue of users' killmail lists."""
        return self.work(UserKillmailsHandler(self.esi, self.engine, self.keeper, self.intervals), limits, **options)

    def corporation_killmails(self, limits: WorkerLimits = QUICK, **options: Any) -> WorkerReport:
        """Run a worker of the queue of corporations' killmail lists."""
        handler = CorporationKillmailsHandler(self.esi, self.engine, self.keeper, self.intervals)
        return self.work(handler, limits, **options)

    def queue_due(self) -> Queued:
        """Queue the lists that are due."""
        return queue_due(self.engine, self.broker, self.esi, self.settings, run_id="publish")

    def signed_in(self, tokens: dict[str, Any], account_id: int | None = None) -> int:
        """Store a sign-in with tokens of the sandbox's; returns the account."""
        access, refresh = SecretStr(tokens["access_token"]), tokens.get("refresh_token")
        grant = Grant(access, SecretStr(refresh) if refresh else None, self.keeper.sso.validate(access))
        with self.engine.begin() as connection:
            return sign_in(connection, Vault(self.settings), grant, account_id)

    def user(self, character_id: int) -> User:
        """One user."""
        with self.engine.connect() as connection:
            return get_user(connection, character_id)

    def alliance_corporations(self, limits: WorkerLimits = QUICK) -> WorkerReport:
        """Run a worker of the queue of alliances' corporation lists."""
        return self.work(AllianceCorporationsHandler(self.esi), limits)

    def wait_for_pauses(self) -> None:
        """Wait until no service is paused."""
        wait_until(lambda: not self.scalar("select count(*) from ops.request_pace where paused_until > now()"))

    def work(self, handler: Handler[Any, Any], limits: WorkerLimits = QUICK, **options: Any) -> WorkerReport:
        """Run a worker with a handler."""
        return run_worker(handler, self.broker, self.engine, limits, run_id="worker", **options)

    def produce(self, name: str, **options: Any) -> Produced:
        """Run a producer."""
        return producer(name).produce(self.engine, self.broker, self.esi, WEEK, run_id="publish", **options)

    def scalar(self, query: str) -> Any:
        """One value."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query)).scalar_one()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Every row."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def execute(self, statement: str) -> None:
        """Change something, committed."""
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement))

    def raw_message(self, queue: WorkQueue, body: str) -> None:
        """Put a body on a PGMQ queue that our own code would not publish."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.text("select pgmq.send(:queue, cast(:body as jsonb))"), {"queue": queue.name, "body": body}
            )

    def message_ids(self, queue: WorkQueue, lane: str = "") -> list[str]:
        """The message ids in a lane of a PGMQ queue."""
        return [row[0] for row in self.rows(f"select headers ->> 'message_id' from pgmq.q_{queue.name}{lane}")]

    def close(self) -> None:
        """Close everything but the engine."""
        self.esi.close()
        if "keeper" in vars(self):
            self.keeper.close()
        self.broker.close()

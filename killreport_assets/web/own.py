"""What people may do with their own killmails over the API: see them, and sync them now."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from killreport_assets.base.errors import BrokerUnavailable
from killreport_assets.queues.catalogue import CORPORATION_KILLMAILS, KILLMAILS, USER_KILLMAILS
from killreport_assets.queues.connect import connect_broker
from killreport_assets.settings import Settings
from killreport_assets.store.stored_killmails import known_killmails
from killreport_assets.store.syncs import SUCCESSES
from killreport_assets.users.store import ACTIVE, User, list_users
from killreport_assets.users.syncs import queue_now
from killreport_assets.web.api_tokens import SYNC
from killreport_assets.web.callers import Caller, Refusal
from killreport_assets.web.health import Looking
from killreport_assets.web.status import NewestSync, WorkerStatus, worker_status

LOOK_SECONDS = 0.25
MARGIN_SECONDS = 5.0
"""A listing queues its killmails at most so long after its last page."""
KINDS = (USER_KILLMAILS.kind, CORPORATION_KILLMAILS.kind)
"""What `ops.syncs` calls the listings of users."""


@dataclass(frozen=True)
class Synced:
    """What a requested sync brought: whether it is under way or done, a sentence, and the killmails that it stored."""

    success: bool
    message: str
    stored: int


class Own:
    """The characters of a caller's account, and their syncs."""

    def __init__(self, settings: Settings, engine: Engine, looking: Looking) -> None:
        self._settings, self._engine = settings, engine
        self._looking = looking

    def characters(self, caller: Caller) -> list[int]:
        """The ids of the caller's characters.

        Raises:
            Refusal: the caller is no person.
        """
        return [user.character_id for user in self._users(caller)]

    async def sync(self, caller: Caller, character_id: int | None = None) -> Synced:
        """Queue the caller's lists before all others, and wait a little for what their syncs store.

        Raises:
            Refusal: the caller is no person, the token may not sync, or it is none of the caller's characters.
        """
        if SYNC not in caller.scopes:
            raise Refusal(403, "FORBIDDEN", "This token may only read: make one with the scope sync on the page /me.")
        users = await run_in_threadpool(self._users, caller)
        if character_id is not None:
            users = [user for user in users if user.character_id == character_id]
            if not users:
                raise Refusal(404, "NOT_FOUND", f"{character_id} is none of your characters here.")
        active = [user for user in users if user.state == ACTIVE]
        if not active:
            return Synced(False, f"{users[0].reason or 'Your sign-in has ended'}: sign in again on the page /me.", 0)
        fresh = [user.fresh_until for user in active if user.fresh_until and user.fresh_until > datetime.now(UTC)]
        if len(fresh) == len(active):
            return Synced(True, f"ESI has nothing newer before {min(fresh):%H:%M:%S} UTC.", 0)
        try:
            before = await run_in_threadpool(self._queue, active)
        except BrokerUnavailable:
            return Synced(False, "The work queues are unreachable; the sync is queued once they are back.", 0)
        return await self._wait(active, before)

    def status(self) -> WorkerStatus:
        """How the workers are, at most a few seconds ago."""
        query = sa.text("""
            select started_at, seconds from ops.syncs where source = any(:kinds) and outcome <> 'dead'
            order by sync_id desc limit 1
        """)
        with self._engine.connect() as connection:
            row = connection.execute(query, {"kinds": list(KINDS)}).one_or_none()
        return worker_status(self._looking.look(), NewestSync(*row) if row else None)

    def is_hidden_from(self, request: HTTPConnection) -> bool:
        """Whether what the operator has to mend is hidden from a caller."""
        return self._looking.is_hidden_from(request)

    def _users(self, caller: Caller) -> list[User]:
        if caller.account_id is None:
            text = "This needs you: sign in on the page /me, or send a token that you made there."
            raise Refusal(401, "UNAUTHENTICATED", text)
        with self._engine.connect() as connection:
            users = list_users(connection, account_id=caller.account_id)
        if not users:
            raise Refusal(401, "UNAUTHENTICATED", "No character of this account is signed in: see the page /me.")
        return users

    def _queue(self, users: Sequence[User]) -> int:
        """Queue the lists; returns the number of the newest sync before."""
        with self._engine.connect() as connection:
            before = connection.execute(sa.text("select coalesce(max(sync_id), 0) from ops.syncs")).scalar_one()
        broker = connect_broker(self._settings, self._engine)
        try:
            queue_now(self._engine, broker, [user.character_id for user in users])
        finally:
            broker.close()
        return int(before)

    async def _wait(self, users: Sequence[User], before: int) -> Synced:
        """Wait for the listings, and for the killmails that they queued to be fetched."""
        deadline = time.monotonic() + self._settings.web.sync_wait_seconds
        queued: set[int] = set()
        while True:
            syncs = await run_in_threadpool(self._syncs_since, users, before)
            listed = {sync.character_id for sync in syncs} >= {user.character_id for user in users}
            waiting, stored = await run_in_threadpool(self._progress, syncs, queued)
            if (listed and not waiting) or time.monotonic() >= deadline:
                break
            await asyncio.sleep(LOOK_SECONDS)
        failed = [sync.outcome for sync in syncs if sync.outcome not in SUCCESSES]
        if failed:
            return Synced(False, f"ESI could not be read: {failed[0]}", stored)
        if not listed:
            return Synced(True, "Queued before all others; nothing has come yet. Ask again in a minute.", stored)
        more = f"; {waiting} more are queued to be fetched from ESI" if waiting else ""
        return Synced(True, f"{stored} killmails stored{more}.", stored)

    def _syncs_since(self, users: Sequence[User], before: int) -> Sequence[sa.Row[tuple[int, datetime, float, str]]]:
        query = sa.text("""
            select character_id, started_at, seconds, outcome from ops.syncs
            where sync_id > :before and source = any(:kinds) and character_id = any(:ids) order by sync_id
        """)
        asked = {"before": before, "kinds": list(KINDS), "ids": [user.character_id for user in users]}
        with self._engine.connect() as connection:
            return connection.execute(query, asked).all()

    def _progress(self, syncs: Sequence[sa.Row[tuple[int, datetime, float, str]]], queued: set[int]) -> tuple[int, int]:
        """How many killmails of these listings wait, and how many are stored; `queued` remembers what has waited.

        A listing queues its killmails in one transaction, as urgent work that is first seen then.
        """
        waiting: set[int] = set()
        query = sa.text("""
            select entity_id from ops.entity_pending where entity_kind = :kind and urgent and dead_at is null
                and first_seen between :started_at and :started_at + make_interval(secs => :seconds)
        """)
        with self._engine.connect() as connection:
            for sync in syncs:
                span = {"started_at": sync.started_at, "seconds": (sync.seconds or 0) + MARGIN_SECONDS}
                waiting |= set(connection.execute(query, {"kind": KILLMAILS.kind, **span}).scalars())
            queued |= waiting
            return len(waiting), len(known_killmails(connection, list(queued)))

"""Queueing users' killmail lists: those that are due, or those that are requested now."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.database.migrate import writing
from killreport_assets.esi.bulk import ask_in_bulk
from killreport_assets.esi.client import EsiClient
from killreport_assets.http.pauses import purge_idle_token_buckets
from killreport_assets.queues.broker import WorkBroker
from killreport_assets.queues.catalogue import CORPORATION_KILLMAILS, USER_KILLMAILS
from killreport_assets.settings import Settings
from killreport_assets.store.lineage import request
from killreport_assets.users import store as users
from killreport_assets.users.due_times import LOOK_AHEAD
from killreport_assets.users.killmail_lists import due_lists, intervals
from killreport_assets.workers.publisher import publish_pending

log = logging.getLogger(__name__)
CORPORATION_TTL = timedelta(hours=1)
"""How long ESI caches affiliations."""
TOKEN_BUCKETS_IDLE = timedelta(hours=1)
MAX_PUBLISHED_NOW = 5_000
"""Urgent messages come first: a person waits for these, not for other pending work."""


@dataclass(frozen=True)
class Queued:
    """How many lists were due, how many of them were not queued already, and how many messages were published.

    The published messages include other pending work, of any kind.
    """

    due_users: int
    due_corporations: int
    requested: int
    published: int


def queue_due(
    engine: Engine, broker: WorkBroker, esi: EsiClient, settings: Settings, *, run_id: str | None = None
) -> Queued:
    """Queue every list that is due, after looking up the corporations of Directors.

    Raises:
        BrokerUnavailable: the lists stay pending, and are published by the next run.
    """
    look_up_corporations(engine, esi)
    with writing(engine) as connection:
        purge_idle_token_buckets(connection, TOKEN_BUCKETS_IDLE)
    with writing(engine) as connection:
        due = due_lists(connection, intervals(settings), LOOK_AHEAD)
        by_kind = {
            queue.kind: [one.subject_id for one in due if one.kind == queue.kind]
            for queue in (USER_KILLMAILS, CORPORATION_KILLMAILS)
        }
        requested = sum(request(connection, kind, ids) for kind, ids in by_kind.items())
    published = publish_pending(engine, broker, run_id=run_id, include_expired=True)
    return Queued(len(by_kind[USER_KILLMAILS.kind]), len(by_kind[CORPORATION_KILLMAILS.kind]), requested, published)


def look_up_corporations(engine: Engine, esi: EsiClient) -> None:
    """Update users' corporations in bulk; a user who cannot be looked up keeps the known one."""
    with engine.connect() as connection:
        ids = users.outdated_corporations(connection, CORPORATION_TTL)
    if not ids:
        return
    answer = ask_in_bulk(esi.affiliations, ids)
    if answer.stopped_by:
        log.warning("not all users' corporations were looked up: %s", answer.stopped_by)
    with writing(engine) as connection:
        corporations = {e.character_id: e.corporation_id for e in answer.elements}
        users.write_corporations(connection, corporations, answer.refused)


def queue_now(
    engine: Engine,
    broker: WorkBroker,
    character_ids: Sequence[int],
    *,
    esi: EsiClient | None = None,
    run_id: str | None = None,
) -> int:
    """Queue these users' lists, and their corporations', in the priority lane; returns how many lists were queued.

    With `esi`, corporations that are not known yet are looked up before; without it, their lists follow with the next
    `queue_due`.

    Raises:
        UserError: one of the users has not signed in, or its sign-in has ended; nothing is queued.
        BrokerUnavailable: the lists stay pending, and are published by the next run.
    """
    if esi is not None:
        look_up_corporations(engine, esi)
    with writing(engine) as connection:
        chosen = [users.get_user(connection, character_id) for character_id in character_ids]
        for user in chosen:
            if user.state != users.ACTIVE:
                raise UserError(f"{user.character_name} ({user.character_id}): {user.reason}")
        own = [user.character_id for user in chosen]
        corporations = {user.corporation_id for user in chosen if user.lists_corporation and user.corporation_id}
        request(connection, USER_KILLMAILS.kind, own, urgent=True, revive_dead=True)
        request(connection, CORPORATION_KILLMAILS.kind, list(corporations), urgent=True, revive_dead=True)
    publish_pending(engine, broker, run_id=run_id, limit=MAX_PUBLISHED_NOW)
    return len(own) + len(corporations)

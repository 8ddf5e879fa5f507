"""The registry: which handler does which queue's work, where its messages come from, and who produces them.

A module of handlers registers them when it is imported; `registrations` imports them all. Nothing else lists queues.
"""

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import sqlalchemy as sa

from killreport_assets.base.errors import UserError
from killreport_assets.queues.catalogue import WORK_QUEUES, WorkQueue
from killreport_assets.workers.handler import Handler, WorkerContext
from killreport_assets.workers.producers import Producer

HANDLER_PACKAGES = ("killreport_assets.workers.handlers", "killreport_assets.users.handlers")
"""By name: users/ is above this room."""
_registered: dict[WorkQueue, "Registration"] = {}


@dataclass(frozen=True)
class Registration:
    """One queue's handler, and what Dagster shows around it."""

    queue: WorkQueue
    build: Callable[[WorkerContext], Handler[Any, Any]]
    upstream: tuple[str, ...]
    """The assets from which its messages come, as `schema/table`, `queue/name` or `service/name`."""
    table: sa.Table | None = None
    """The table that it fills, whose asset it materializes; None: its worker is an op of its own."""
    producer: Producer | None = None
    """What requests its work by schedule; None: its messages only follow from other work."""


def register(registration: Registration) -> None:
    """Register a queue's handler.

    Raises:
        ValueError: the queue has one already.
    """
    if registration.queue in _registered:
        raise ValueError(f"{registration.queue.name} has a handler already")
    _registered[registration.queue] = registration


@cache
def registrations() -> Mapping[WorkQueue, Registration]:
    """Every queue's registration, in the catalogue's order.

    Raises:
        LookupError: a queue of the catalogue has no handler.
    """
    for package in HANDLER_PACKAGES:
        for module in pkgutil.iter_modules(import_module(package).__path__):
            import_module(f"{package}.{module.name}")
    if missing := [queue.name for queue in WORK_QUEUES if queue not in _registered]:
        raise LookupError(f"no handler is registered for {', '.join(missing)}")
    return {queue: _registered[queue] for queue in WORK_QUEUES}


def producers() -> Mapping[str, Producer]:
    """Every producer by its name, in the order in which they feed each other."""
    found = [registration.producer for registration in registrations().values()]
    return {producer.name: producer for producer in found if producer is not None}


def producer(name: str) -> Producer:
    """The producer of that name.

    Raises:
        UserError: there is none; names those that there are.
    """
    known = producers()
    if name not in known:
        raise UserError(f"there is no producer {name!r}; there are {', '.join(known)}, scan_killmail_entities")
    return known[name]

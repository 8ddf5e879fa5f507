"""The registry: each queue's handler, where its messages come from, and its producer.

A module of handlers registers them when it is imported; `registrations` imports them all. No other module lists them.
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
"""By name: users/ is above this package, which may not import it."""
_registered: dict[WorkQueue, "Registration"] = {}


@dataclass(frozen=True)
class Registration:
    """One queue's handler, and how Dagster shows it."""

    queue: WorkQueue
    build: Callable[[WorkerContext], Handler[Any, Any]]
    upstream: tuple[str, ...]
    """The assets that its messages come from, as `schema/table`, `queue/name` or `service/name`."""
    table: sa.Table | None = None
    """The table that the handler fills, whose asset the worker materializes; None: the worker is a separate op."""
    producer: Producer | None = None
    """Requests the queue's work on a schedule; None: its messages only follow from other work."""


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
    """Return every queue's registration, in the catalogue's order.

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
    """Return every producer by name, in the order in which they feed each other."""
    found = [registration.producer for registration in registrations().values()]
    return {producer.name: producer for producer in found if producer is not None}


def producer(name: str) -> Producer:
    """Return the producer of that name.

    Raises:
        UserError: there is none; the message lists the producers.
    """
    known = producers()
    if name not in known:
        raise UserError(f"there is no producer {name!r}; there are {', '.join(known)}, scan_killmail_entities")
    return known[name]

"""What commands share: the settings of the process, the database, the work queues."""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy.engine import Engine

from killreport_assets.base.errors import UserError
from killreport_assets.settings import Settings, load_settings, set_variable

if TYPE_CHECKING:
    from killreport_assets.queues.broker import WorkBroker

SANDBOX_MAX_RPS = 500


@cache
def current_settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        UserError: a setting is wrong.
    """
    return load_settings()


def use_sandbox(urls: Mapping[str, str]) -> Settings:
    """Point every service at a sandbox, in this process and its children; its rate limit is above the real ESI's."""
    for name, url in urls.items():
        set_variable(name, url)
    for name in ("KILLREPORT_SSO_CLIENT_SECRET", "KILLREPORT_SSO_CLIENT_SECRET_FILE"):
        os.environ.pop(name, None)  # it belongs to an application at the real EVE
    os.environ.setdefault("KILLREPORT_ESI_MAX_RPS", str(SANDBOX_MAX_RPS))
    current_settings.cache_clear()
    return current_settings()


def service_settings(*, sandbox: bool) -> Settings:
    """The settings for a command that asks services: as they are set, or those of the sandbox of `killreport dev`."""
    from killreport_assets.sandbox.process import service_urls

    settings = current_settings()
    return use_sandbox(service_urls(settings.process.sandbox_port)) if sandbox else settings


def check_port(host: str, port: int, setting: str) -> None:
    """Make sure that a port can be listened on, before anything starts.

    Raises:
        UserError: it is taken, or the host is none of this machine's addresses.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as refused:
        raise UserError(
            f"cannot listen on {host}, port {port}: {refused.strerror}; choose another with --port or {setting}"
        ) from None


@contextmanager
def database_of(settings: Settings, *, asks_services: bool = False, begins: bool = False) -> Iterator[Engine]:
    """Open the database; with `asks_services` it must have the services' origin, else either.

    Raises:
        NoDatabase: there is none yet, and the command is not one that `begins` a home.
    """
    from killreport_assets.provision.database import check_for_data, migrated_database, open_database

    if not begins:
        check_for_data(settings)
    engine = open_database(settings) if asks_services else migrated_database(settings)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def broker_of(settings: Settings, engine: Engine) -> "Iterator[WorkBroker]":
    """Connect to the work queues."""
    from killreport_assets.queues.connect import connect_broker

    broker = connect_broker(settings, engine)
    try:
        yield broker
    finally:
        broker.close()

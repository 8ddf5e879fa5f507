"""The types of settings' values, and the errors of invalid ones. Nothing here reads the environment."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AmqpDsn,
    AnyHttpUrl,
    BeforeValidator,
    EmailStr,
    Field,
    PostgresDsn,
    SecretStr,
    TypeAdapter,
)
from pydantic_settings import NoDecode

from killreport_assets.settings.crons import checked_cron
from killreport_assets.settings.home import find_home

Origin = Literal["sandbox", "live"]
"""Sandbox or real services; a database holds the data of one of them."""


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine: localhost or an address of the loopback range."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host(host: str) -> bool:
    """Whether a host name or an address is this machine's own."""
    return is_loopback(f"http://[{host}]" if ":" in host else f"http://{host}")


def _checked_by(url_type: Any, readable: Callable[[str], str] = str) -> Callable[[Any], Any]:
    """Validate a URL with one of pydantic's types, but keep it as written, so that passwords are not quoted again."""
    adapter: TypeAdapter[Any] = TypeAdapter(url_type)

    def check(value: Any) -> Any:
        adapter.validate_python(readable(value.get_secret_value() if isinstance(value, SecretStr) else value))
        return value

    return check


def _with_host(url: str) -> str:
    """Add a host to PostgreSQL's URL of a unix socket, which has none; pydantic requires one."""
    return url.replace("@/", "@localhost/", 1).replace(":///", "://localhost/", 1)


def _web_origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment or parts.username:
        raise ValueError("must be a scheme and a host only, like https://killreport.example.org")
    if parts.scheme != "https" and not is_loopback(value):
        raise ValueError("must be https: otherwise an eavesdropper can sign in as your users")
    return value


@dataclass(frozen=True)
class DailyWindow:
    """A part of every day, in UTC; it does not span midnight."""

    begin: time
    end: time

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}"

    def seconds_left(self, now: time) -> float:
        """Seconds until the window ends; 0 outside the window."""
        if not self.begin <= now < self.end:
            return 0.0
        day = datetime(2026, 1, 1)  # noqa: DTZ001 - only the difference of two times is used
        left: timedelta = datetime.combine(day, self.end) - datetime.combine(day, now)
        return left.total_seconds()


def _daily_window(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value:
        return None
    try:
        begin, end = (time.fromisoformat(part.strip()) for part in value.split("-"))
    except ValueError:
        raise ValueError("must be a part of the day like 11:00-11:15, or empty") from None
    if begin >= end:
        raise ValueError("must begin before it ends")
    return DailyWindow(begin, end)


def _comma_separated(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _host(value: str) -> str:
    if not re.fullmatch(r"([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?", value, re.IGNORECASE):
        raise ValueError("must be hosts without a scheme, as browsers send them: dagster.example.org,10.0.0.5:8080")
    return value.lower()


def _ascending(value: tuple[float, ...]) -> tuple[float, ...]:
    if not value or list(value) != sorted(set(value)):
        raise ValueError("must be ascending seconds above 0, like 5,30,120,600")
    return value


def _addresses(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
    if any(not re.fullmatch(r"(\[[0-9a-f:.]+\]|[\w.-]+):[0-9]{1,5}", address) for _, _, address in pairs):
        raise ValueError("must be like platform=code-platform:4000,transforms=code-transforms:4000")
    return {name: address for name, _, address in pairs}


def _by_queue(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not equals for _, equals, _ in pairs):
        raise ValueError("must be like esi_killmail_queue=2,esi_type_info_queue=20")
    return {name.strip(): number.strip() for name, _, number in pairs}


HttpUrl = Annotated[str, AfterValidator(_checked_by(AnyHttpUrl)), AfterValidator(lambda url: url.rstrip("/"))]
ImageOrigin = Literal["none"] | HttpUrl
WebOrigin = Annotated[HttpUrl, AfterValidator(_web_origin)]
SecretHttpUrl = Annotated[SecretStr, AfterValidator(_checked_by(AnyHttpUrl))]
SecretPostgresUrl = Annotated[SecretStr, AfterValidator(_checked_by(PostgresDsn, _with_host))]
SecretAmqpUrl = Annotated[SecretStr, AfterValidator(_checked_by(AmqpDsn))]
Contact = Annotated[EmailStr | None, BeforeValidator(lambda value: value or None)]
DayWindow = Annotated[DailyWindow | None, NoDecode, BeforeValidator(_daily_window)]
DelaySeconds = Annotated[float, Field(gt=0, le=86_400)]
RetryDelaySeconds = Annotated[
    tuple[DelaySeconds, ...], NoDecode, BeforeValidator(_comma_separated), AfterValidator(_ascending)
]
RegionId = Annotated[int, Field(ge=10_000_000, lt=20_000_000)]
RegionIds = Annotated[tuple[RegionId, ...], NoDecode, BeforeValidator(_comma_separated)]
EveId = Annotated[int, Field(ge=1, lt=2**63)]
EveIds = Annotated[tuple[EveId, ...], NoDecode, BeforeValidator(_comma_separated)]
CodeLocation = Literal["platform", "transforms"]
Addresses = Annotated[dict[CodeLocation, str], NoDecode, BeforeValidator(_addresses)]
Home = Annotated[Path, BeforeValidator(lambda value: value or find_home())]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host)], ...], NoDecode, BeforeValidator(_comma_separated)]
QueueNumber = Annotated[int, Field(ge=1, le=1000)]
ByQueue = Annotated[dict[str, QueueNumber], NoDecode, BeforeValidator(_by_queue)]
Port = Annotated[int, Field(ge=1024, le=65535)]
Cron = Annotated[str, AfterValidator(checked_cron)]
